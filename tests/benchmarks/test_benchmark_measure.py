from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.measure import Bench
from benchmarks.recorder import Settings

from benchmarks import machine
from clfa.errors import DataError


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(machine, "rate", lambda *_: {"1 x 1 x 1": 1.0})
    monkeypatch.setattr(machine, "bandwidth", lambda *_: 1.0)
    return Bench(Settings(tmp_path, only=("images",)), tmp_path / "results.json")


def test_what_is_not_measured_anew_is_kept(bench: Bench) -> None:
    before: dict[str, Any] = {
        "machine": {**bench.results["machine"], "load_before": 99.0},
        "measurements": [{"name": "image loading", "phase": "images"}, {"name": "guide", "phase": "guide"}],
        "comparisons": [{"name": "training", "phase": "reference"}],
        "failures": {"images": "no", "memory": "no"},
        "rates": {"fp32": {"1 x 1 x 1": 3.0}, "bf16": {"1 x 1 x 1": 0.5}},
        "bandwidth": 2.0,
    }
    bench.keep(before)
    assert [entry["phase"] for entry in bench.results["measurements"]] == ["guide"]
    assert [entry["phase"] for entry in bench.results["comparisons"]] == ["reference"]
    assert bench.results["failures"] == {"memory": "no"}
    assert bench.results["rates"] == {"fp32": {"1 x 1 x 1": 3.0}, "bf16": {"1 x 1 x 1": 1.0}}
    assert bench.results["bandwidth"] == 2.0


def test_another_machine_is_refused(bench: Bench) -> None:
    with pytest.raises(DataError, match=r"results.json was measured on another machine or with other versions"):
        bench.keep({"machine": {**bench.results["machine"], "cpu": "another"}})
