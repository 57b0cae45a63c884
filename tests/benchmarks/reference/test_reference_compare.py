from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks.floors import Floor
from benchmarks.measure import Bench
from benchmarks.recorder import Settings

from benchmarks import machine
from benchmarks.reference import compare


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(machine, "rate", lambda *_: {"1 x 1 x 1": 1.0})
    monkeypatch.setattr(machine, "bandwidth", lambda *_: 1.0)
    bench = Bench(
        Settings(tmp_path, reference=tmp_path / "authors", reference_data=("mmsd",), precisions=("fp32", "bf16")),
        tmp_path / "found.json",
    )
    bench.phase = "reference"
    monkeypatch.setattr(bench, "posts", lambda _set, samples, *_counts, **_: tmp_path / str(samples))
    monkeypatch.setattr(bench, "encoders", lambda size: tmp_path / "encoders" / size)
    return bench


def test_their_memory_is_extrapolated_along_a_line(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []

    def once(task: str, options: dict[str, str]) -> dict[str, float]:
        asked.append((task, options["output"]))
        return {"peak_memory_mb": 100.0 + 2 * int(Path(options["posts"]).name)}

    monkeypatch.setattr(compare, "once", once)
    compare.compare_memory(bench, 804.0, 24_635)
    assert asked == [("reference.memory:load", str(bench.settings.work / "theirs"))] * 3
    (entry,) = bench.results["comparisons"]
    assert entry["theirs"] == [100.0 + 2 * 19_816]
    assert (entry["ours"], entry["unit"], entry["target"]) == ([804.0], "MB", 10)
    assert entry["note"].startswith("theirs extrapolated to 19,816 training samples from 500: 1100 MB, 1,000: 2100 MB")


def test_times_of_both_are_kept_with_target_and_floor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    contenders: dict[str, Any] = {}

    def alternate(given: dict[str, Any], phases: tuple[str, ...]) -> dict[str, dict[str, list[dict[str, Any]]]]:
        contenders.update(given)
        seconds = {"theirs": 10.0, "fp32": 4.0, "bf16": 2.0, "fp32, with the empty knowledge": 5.0}
        return {
            name: {phase: [{"seconds": seconds[name], "replaced": ["wordninja"]}] for phase in phases} for name in given
        }

    monkeypatch.setattr(bench, "alternate", alternate)
    monkeypatch.setattr(bench, "floor", lambda *_: Floor(3.0, 0.0, 2.0, 1.0))
    compare.compare_times(bench)
    assert contenders["theirs"][0] == "reference.script:run"
    assert contenders["theirs"][1]["directory"] == str(bench.settings.reference)
    assert contenders["fp32, with the empty knowledge"][1]["empty_knowledge"] is True
    found = {(entry["name"], entry["variant"]): entry for entry in bench.results["comparisons"]}
    assert {key: entry["target"] for key, entry in found.items()} == {
        ("training", "fp32"): 3.2,
        ("evaluation", "fp32"): 8,
        ("training", "bf16"): 5,
        ("evaluation", "bf16"): 8,
        ("training", "fp32, with the empty knowledge"): 3.2,
        ("evaluation", "fp32, with the empty knowledge"): 8,
    }
    entry = found["training", "bf16"]
    assert (entry["theirs"], entry["ours"], entry["floor_seconds"]) == ([10.0], [2.0], 1.5)
    assert entry["replaced"] == ["wordninja"]


def test_precisions_that_are_left_out_are_not_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def alternate(given: dict[str, Any], phases: tuple[str, ...]) -> dict[str, dict[str, list[dict[str, Any]]]]:
        asked.extend(given)
        return {name: {phase: [{"seconds": 1.0, "replaced": []}] for phase in phases} for name in given}

    monkeypatch.setattr(bench, "settings", replace(bench.settings, precisions=("fp32",)))
    monkeypatch.setattr(bench, "alternate", alternate)
    monkeypatch.setattr(bench, "floor", lambda *_: Floor(3.0, 0.0, 2.0, 1.0))
    compare.compare_times(bench)
    assert asked == ["theirs", "fp32", "fp32, with the empty knowledge"]
