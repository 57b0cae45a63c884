from __future__ import annotations

import os
import sys
from typing import Any

import pytest
import torch

from clfa import devices
from clfa.cpu import bfloat16
from clfa.devices import best_device, resolve_precision, thread_count


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
    for found in ({}, {"cuda": True}):
        machine(monkeypatch, **found)
        assert resolve_precision(wanted, trains_encoder=True) == wanted


def test_emulated_bfloat16_is_told_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    devices._warn_of_emulation.cache_clear()
    machine(monkeypatch, bf16=True)
    resolve_precision("bf16")
    machine(monkeypatch, cuda=True)
    resolve_precision("bf16")
    assert caplog.messages == []
    machine(monkeypatch)
    for _ in range(2):
        resolve_precision("bf16")
    resolve_precision("fp16")
    assert [line.split(":")[0] for line in caplog.messages] == [
        "bf16 is emulated here, much slower than fp32",
    ]
    devices._warn_of_emulation.cache_clear()


def test_threads_are_those_of_pytorch_or_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert thread_count() == torch.get_num_threads()
    monkeypatch.delitem(sys.modules, "torch")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert thread_count() == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 5}, raising=False)
    for wrong in ("", "0", "many", "1,2"):
        monkeypatch.setenv("OMP_NUM_THREADS", wrong)
        assert thread_count() == 4
