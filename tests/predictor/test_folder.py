from __future__ import annotations

import copy
import logging
import os
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pytest

from clfa.errors import ModelError, RecipeError
from clfa.prediction.post_classifier import PostClassifier
from clfa.predictor import CLFAPredictor


@pytest.fixture
def fitted(tiny_run: Path, tiny_overrides: list[str], posts_csv: Path) -> CLFAPredictor:
    """A predictor as after ``fit``, with its run in a temporary folder."""
    predictor = CLFAPredictor("offline", overrides=tiny_overrides, image_root=posts_csv.parent)
    shutil.copytree(tiny_run, predictor.path)
    predictor._classifier = PostClassifier.load(predictor.path)
    return predictor


@pytest.mark.parametrize(
    "copied",
    [lambda p: pickle.loads(pickle.dumps(p)), copy.copy, copy.deepcopy],  # noqa: S301
    ids=["pickle", "copy", "deepcopy"],
)
def test_a_copy_has_a_run_of_its_own(fitted: CLFAPredictor, posts_csv: Path, copied: Any) -> None:
    expected = fitted.predict_proba(posts_csv)
    other = copied(fitted)
    np.testing.assert_array_equal(other.predict_proba(posts_csv), expected)
    assert other.get_params() == fitted.get_params()
    assert other.path != fitted.path
    assert not (other.path / "checkpoints").exists()
    place = other.path
    assert other.summary() == fitted.summary().replace(str(fitted.path), str(place))
    del other
    # The end of a copy is not that of the original.
    assert not place.exists()
    assert fitted.leaderboard().shape[0] > 0


def test_a_file_outlives_its_predictor(fitted: CLFAPredictor, posts_csv: Path, tmp_path: Path) -> None:
    expected = fitted.evaluate(posts_csv)["accuracy"]
    joblib.dump(fitted, tmp_path / "predictor.joblib")
    fitted.__del__()
    assert not fitted.path.exists()
    assert joblib.load(tmp_path / "predictor.joblib").evaluate(posts_csv)["accuracy"] == expected


def test_a_loaded_model_is_carried_too(tiny_run: Path, posts_csv: Path, tmp_path: Path) -> None:
    run = shutil.copytree(tiny_run, tmp_path / "run")
    loaded = CLFAPredictor.load(run, image_root=posts_csv.parent, batch_size=5)
    kept, expected = pickle.dumps(loaded), loaded.predict_proba(posts_csv)
    shutil.rmtree(run)
    other = pickle.loads(kept)  # noqa: S301
    np.testing.assert_allclose(other.predict_proba(posts_csv), expected, atol=1e-6)
    assert other._trained().batch_size == 5


def test_without_its_run_there_is_no_copy(fitted: CLFAPredictor) -> None:
    shutil.rmtree(fitted.path)
    with pytest.raises(ModelError, match=r"^this predictor cannot be pickled or copied: its run in .*run is gone\.$"):
        pickle.dumps(fitted)


def test_without_a_model(tmp_path: Path) -> None:
    predictor = CLFAPredictor(presets="fast")
    other = pickle.loads(pickle.dumps(predictor))  # noqa: S301
    assert other.get_params() == predictor.get_params()
    assert other.path.parent != predictor.path.parent
    assert other.path.parent.is_dir()
    with pytest.raises(ModelError, match="not trained yet"):
        other.predict("x", image="y.jpg")
    assert pickle.loads(pickle.dumps(CLFAPredictor(path=tmp_path / "run"))).path == tmp_path / "run"  # noqa: S301


def test_a_forked_process_leaves_the_folder(fitted: CLFAPredictor, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: -1)
        fitted.__del__()
    assert fitted.path.is_dir()
    fitted.__del__()
    assert not fitted.path.exists()


# Trainings that were interrupted.


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Trainings are interrupted after their first epoch, and end when they are continued; whether each one was."""
    resumed: list[bool] = []

    def train(recipe: Any, folder: Path, *, source: Any, resume: bool) -> Any:
        resumed.append(resume)
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        (folder / "recipe.yaml").touch()
        if not resume:
            raise KeyboardInterrupt
        (folder / "metrics.json").write_text("{}", encoding="utf-8")
        return SimpleNamespace(metrics={})

    monkeypatch.setattr("clfa.runs.train.train", train)
    monkeypatch.setattr("clfa.runs.run_folder.RunFolder.last_checkpoint", lambda self: "checkpoint-1")
    monkeypatch.setattr("clfa.prediction.post_classifier.PostClassifier.load", lambda path: path)
    return resumed


@pytest.mark.parametrize("given", [True, False])
def test_an_interrupted_training_is_continued(
    interrupted: list[bool], tmp_path: Path, given: bool, caplog: pytest.LogCaptureFixture
) -> None:
    predictor = CLFAPredictor(presets="fast", path=tmp_path / "run" if given else None)
    rows = [{"text": "a", "image": "b", "label": "c"}]
    with pytest.raises(KeyboardInterrupt), caplog.at_level(logging.WARNING):
        predictor.fit(rows)
    assert "The training was interrupted. fit(..., resume=True) continues it after its last epoch." in caplog.text
    predictor.fit(rows, resume=True)
    assert interrupted == [False, True]
    assert predictor._classifier == predictor.path
    with pytest.raises(
        RecipeError, match=r"^resume: there is no run that did not finish in .*; call fit\(\) without it"
    ):
        predictor.fit(rows, resume=True)


def test_a_folder_with_an_unfinished_run_says_how_to_go_on(interrupted: list[bool], tmp_path: Path) -> None:
    for wanted in (KeyboardInterrupt, RecipeError):
        with pytest.raises(wanted) as caught:
            CLFAPredictor(presets="fast", path=tmp_path / "run").fit([{"text": "a"}])
    assert str(caught.value) == (
        f"{tmp_path / 'run'} holds a run that did not finish; continue it with fit(..., resume=True) and the same "
        "table, or make a CLFAPredictor with another path."
    )
    CLFAPredictor(presets="fast", path=tmp_path / "run").fit([{"text": "a"}], resume=True)
    assert interrupted == [False, True]
