from __future__ import annotations

from typing import Any

import pytest
import torch

from clfa.cpu import bfloat16
from clfa.devices import best_device, resolve_precision


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda: bool = False, mps: bool = False, bf16: bool = False) -> None:
    """Pretend to be a machine with these devices, whose best one computes in bfloat16 or does not."""

    def supported(including_emulation: bool = True) -> bool:
        return bf16 or including_emulation

    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    monkeypatch.setattr(bfloat16, "native_bfloat16", lambda: bf16)


@pytest.mark.parametrize(
    ("devices", "expected"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True}, "cuda"), ({"cuda": True, "mps": True}, "cuda")],
)
def test_best_device(devices: dict[str, bool], expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, **devices)
    assert best_device() == expected


@pytest.mark.parametrize(
    ("found", "predicting", "training_encoders"),
    [
        ({"cuda": True, "bf16": True}, "bf16", "bf16"),
        # It would emulate bfloat16.
        ({"cuda": True}, "fp32", "fp32"),
        ({"mps": True, "bf16": True}, "fp32", "fp32"),
        ({"bf16": True}, "fp32", "bf16"),
        ({}, "fp32", "fp32"),
    ],
)
def test_auto_precision(
    found: dict[str, Any], predicting: str, training_encoders: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, **found)
    assert resolve_precision("auto") == predicting
    assert resolve_precision("auto", trains_encoder=False) == predicting
    assert resolve_precision("auto", trains_encoder=True) == training_encoders


@pytest.mark.parametrize("wanted", ["fp32", "bf16", "fp16"])
def test_what_is_asked_for_is_kept(wanted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for devices in ({}, {"cuda": True}):
        machine(monkeypatch, **devices)
        assert resolve_precision(wanted, trains_encoder=True) == wanted
