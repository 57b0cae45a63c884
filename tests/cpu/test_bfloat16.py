from __future__ import annotations

import platform

import pytest
import torch

from clfa.cpu.bfloat16 import native_bfloat16


@pytest.mark.parametrize(
    ("machine", "onednn", "avx512_bf16", "amx", "expected"),
    [
        ("x86_64", True, True, False, True),
        ("AMD64", True, False, True, True),
        # AVX-512 alone: oneDNN says yes and converts.
        ("x86_64", True, False, False, False),
        ("x86_64", False, True, True, False),
        ("aarch64", True, False, False, True),
        ("aarch64", False, False, False, False),
    ],
)
def test_what_counts_as_native(
    monkeypatch: pytest.MonkeyPatch, machine: str, onednn: bool, avx512_bf16: bool, amx: bool, expected: bool
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert native_bfloat16() is expected


def test_a_pytorch_without_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert native_bfloat16() is False
