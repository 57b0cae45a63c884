"""Trackers: TensorBoard and MLflow really, into local files; Weights & Biases by a package that stands in for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clfa.errors import RecipeError
from clfa.recipe import Recipe, load_recipe
from clfa.runs.train import train
from clfa.training.trackers import require_trackers

MakeRecipe = Callable[..., Recipe]
# What Transformers' callback calls, kept in a file.
WANDB = {
    "__init__.py": """
import json, os
run = None
class _Config(dict):
    def update(self, values, allow_val_change=False):
        dict.update(self, values)
config = _Config()
logged = []
class _Run:
    id, name, url = "1", None, ""
    summary = {}
    def _label(self, **names): pass
    def finish(self): pass
def init(project, **options):
    global run
    run = _Run()
    run.name = options["name"]
    return run
def log(values, **options): logged.append(values)
def define_metric(*args, **options): pass
def finish(): pass
""",
    "sdk/__init__.py": "",
    "sdk/lib/__init__.py": "",
    "sdk/lib/config_util.py": "class ConfigError(Exception): pass\n",
}


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in WANDB.items():
        path = tmp_path / "packages" / "wandb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    for name in [name for name in sys.modules if name.partition(".")[0] == "wandb"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))


@pytest.mark.slow
def test_losses_scores_names_and_the_recipe_are_reported(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wandb: None
) -> None:
    mlflow = pytest.importorskip("mlflow")
    store = tmp_path / "mlruns"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.as_uri())
    trackers = "training.report_to=[tensorboard, mlflow, wandb]"
    recipe = tiny_recipe(posts_csv, trackers, "name=mine", "training.yardsticks=false")
    train(recipe, tmp_path / "run")
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    scores = [entry["eval_macro_f1"] for entry in history if "eval_macro_f1" in entry]
    losses = [entry["loss"] for entry in history if "loss" in entry]
    assert len(scores) == len(losses) == 2

    (events,) = (tmp_path / "run" / "checkpoints" / "runs").rglob("events.out.tfevents.*")
    board = EventAccumulator(str(events)).Reload()
    assert [event.value for event in board.Scalars("eval/macro_f1")] == pytest.approx(scores)
    assert [event.value for event in board.Scalars("train/loss")] == pytest.approx(losses)
    (text,) = board.Tensors("recipe/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    reported = yaml.safe_load("\n".join(line.removeprefix("    ") for line in shown.splitlines()))
    assert (reported["name"], reported["training"]["epochs"]) == ("mine", 2)
    # Places say who trained, and where.
    assert reported["data"]["dir"] == posts_csv.name

    client = mlflow.MlflowClient(store.as_uri())
    (found,) = client.search_runs(["0"])
    assert (found.info.run_name, found.info.status) == ("mine", "FINISHED")
    assert found.data.params["num_train_epochs"] == "2.0"
    values = [one.value for one in client.get_metric_history(found.info.run_id, "eval_macro_f1")]
    assert values == pytest.approx(scores)
    (artifact,) = store.rglob("recipe.yaml")
    assert yaml.safe_load(artifact.read_text()) == reported

    import wandb as stand_in

    assert stand_in.run.name == "mine"
    assert yaml.safe_load(stand_in.config["recipe"]) == reported
    assert [entry["eval/macro_f1"] for entry in stand_in.logged if "eval/macro_f1" in entry] == pytest.approx(scores)


def test_nothing_is_sent_unless_asked() -> None:
    assert load_recipe("offline").training.report_to == ["tensorboard"]
    for none in ("[]", "null", "none"):
        assert load_recipe("offline", [f"training.report_to={none}"]).training.report_to == []
    assert load_recipe("offline", ["training.report_to=wandb"]).training.report_to == ["wandb"]
    assert load_recipe("offline", ["training.report_to=[mlflow, mlflow]"]).training.report_to == ["mlflow"]


def test_trackers_that_are_not_there(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match=r"unknown tracker 'tensorbord'.*Did you mean 'tensorboard'"):
        train(tiny_recipe(posts_csv, "training.report_to=tensorbord"), tmp_path / "run")
    monkeypatch.setattr("clfa.training.trackers.find_spec", lambda name: None)
    with pytest.raises(
        RecipeError, match=r"training\.report_to=wandb needs the package wandb; pip install 'clfa\[wandb\]'"
    ):
        train(tiny_recipe(posts_csv, "training.report_to=wandb"), tmp_path / "run")
    with pytest.raises(RecipeError, match=r"pip install 'clfa\[mlflow\]'"):
        require_trackers(["mlflow"])
    assert not (tmp_path / "run").exists()
