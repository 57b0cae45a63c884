"""Trackers really, into local files; Weights & Biases in its offline mode."""

from __future__ import annotations

import json
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


@pytest.mark.slow
def test_losses_scores_names_and_the_recipe_are_reported(
    tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    wandb = pytest.importorskip("wandb")
    store = tmp_path / "mlruns"
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.as_uri())
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
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

    assert wandb.run.offline
    assert wandb.run.name == "mine"
    assert yaml.safe_load(wandb.run.config["recipe"]) == reported
    assert wandb.run.summary["eval/macro_f1"] == pytest.approx(scores[-1])
    wandb.finish()
    (kept,) = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
    assert kept.stat().st_size > 0


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
