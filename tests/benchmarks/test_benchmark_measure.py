from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.measure import Bench
from benchmarks.recorder import Settings

from benchmarks import __main__ as command
from benchmarks import machine
from clfa.errors import DataError


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(machine, "rate", lambda *_: {"1 x 1 x 1": 1.0})
    monkeypatch.setattr(machine, "bandwidth", lambda *_: 1.0)
    return Bench(Settings(tmp_path, only=("images",), precisions=("fp32", "bf16")), tmp_path / "results.json")


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


@pytest.mark.parametrize(("native", "expected"), [(True, ("fp32", "bf16")), (False, ("fp32",))])
def test_emulated_precisions_are_left_out(
    native: bool, expected: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(machine, "native_bfloat16", lambda: native)
    monkeypatch.setattr(machine, "rate", lambda *_: {"1 x 1 x 1": 1.0})
    monkeypatch.setattr(machine, "bandwidth", lambda *_: 1.0)
    bench = Bench(Settings(tmp_path), tmp_path / "results.json")
    assert tuple(bench.results["rates"]) == expected
    assert bench.results["left_out"] == ({} if native else {"bf16": "emulated by this processor"})
    chosen = Bench(Settings(tmp_path, precisions=("bf16",)), tmp_path / "results.json")
    assert chosen.results["left_out"] == {"fp32": "not asked for"}
    asked: dict[str, Any] = {}

    def alternate(contenders: dict[str, Any], phases: tuple[str, ...] = ("",)) -> dict[str, Any]:
        asked.update(contenders)
        return {}

    monkeypatch.setattr(bench, "alternate", alternate)
    monkeypatch.setattr(bench, "recipe", lambda *_args, **_options: ("paper-mmsd", ["data.dir=posts.jsonl"]))
    bench.training()
    assert tuple(asked) == expected
    bench.prediction()
    assert ("batch 32, bf16" in asked) == native
    assert "batch 32" in asked


def settings(*arguments: str) -> Settings:
    return command.settings_of(command.parser().parse_args(["run", *arguments]))


def test_options_of_a_run() -> None:
    plain = settings("--precisions", "fp32", "bf16", "--work", "here")
    assert (plain.precisions, plain.repetitions, plain.only) == (("fp32", "bf16"), 7, ())
    assert (plain.work, plain.train_samples["paper"]) == (Path("here").resolve(), 64)
    quick = settings("--quick", "--precisions", "fp32")
    assert (quick.precisions, quick.repetitions, quick.architectures) == (("fp32",), 3, ("paper",))
    assert (quick.only, quick.data_sets) == (("training", "prediction", "reference"), ("mmsd",))
    assert (quick.train_samples["paper"], quick.prediction_samples) == (24, 32)
    assert settings("--quick", "--repetitions", "5", "--only", "training").only == ("training",)
    assert settings("--quick", "--repetitions", "5").repetitions == 5


def test_rounds_are_shown(bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from contextlib import contextmanager
    from types import SimpleNamespace

    from benchmarks import recorder

    @contextmanager
    def processes(contenders: dict[str, Any]) -> Any:
        yield {name: SimpleNamespace(round=lambda: {"seconds": 2.0}) for name in contenders}

    monkeypatch.setattr(recorder, "processes", processes)
    bench.phase = "training"
    bench.settings = Settings(bench.settings.work, repetitions=1, precisions=("fp32",))
    found = bench.alternate({"fp32": ("training:train", {})}, ("train",))
    assert found == {"fp32": {"train": [{"seconds": 2.0}]}}
    assert capsys.readouterr().err.splitlines() == [
        "  training, warm-up, fp32 train: 2.0 s",
        "  training, round 1 of 1, fp32 train: 2.0 s",
    ]
