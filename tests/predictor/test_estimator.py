from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.model_selection import cross_val_score
from sklearn.utils import estimator_checks

from clfa.errors import DataError, ModelError, RecipeError
from clfa.predictor import CLFAPredictor
from clfa.predictor.estimator import is_labels
from clfa.targets.target import Target

# Of scikit-learn's checks, those that do not fit on tables of numbers. Not among them: wrong parameters are errors of
# the constructor here, which also sets other attributes, and a predictor without a model raises clfa's error.
HOLD = [
    "check_parameters_default_constructible",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_valid_tag_types",
    "check_estimator_tags_renamed",
]


@pytest.mark.parametrize("check", [name for name in HOLD if hasattr(estimator_checks, name)])
def test_checks_of_scikit_learn(check: str) -> None:
    getattr(estimator_checks, check)("CLFAPredictor", CLFAPredictor())


def test_parameters(tmp_path: Path) -> None:
    predictor = CLFAPredictor(presets="fast", text="words", overrides=["seed=3"])
    assert repr(predictor) == "CLFAPredictor(text='words', overrides=['seed=3'], presets='fast')"
    copy = clone(predictor)
    assert is_classifier(copy)
    assert copy.get_params() == predictor.get_params()
    assert copy.path != predictor.path
    before = copy.path.parent
    assert copy.set_params(presets="good", overrides=["seed=4"]) is copy
    assert (copy.recipe.name, copy.recipe.seed, copy.columns["text"]) == ("good", 4, "words")
    assert not before.exists()
    with pytest.raises(RecipeError, match=r"CLFAPredictor has no parameter 'preset'; it has .*Did you mean 'presets'"):
        copy.set_params(preset="fast")
    with pytest.raises(RecipeError, match="no preset 'great'"):
        copy.set_params(presets="great")
    assert copy.get_params()["presets"] == "good"
    assert copy.path.parent.is_dir()


def test_a_loaded_model(tiny_run: Path, posts_csv: Path) -> None:
    loaded = CLFAPredictor.load(tiny_run, image_root=posts_csv.parent)
    assert repr(loaded) == f"CLFAPredictor.load({str(tiny_run)!r})"
    assert loaded.classes_.tolist() == ["bad", "good"]
    with pytest.raises(ModelError, match="a loaded model has no parameters"):
        loaded.get_params()


@pytest.mark.parametrize(
    ("target", "classes"),
    [
        (Target("label", label_names=("0", "1"), label_types=("int", "int")), [0, 1]),
        (Target("label", label_names=("False", "True"), label_types=("bool", "bool")), [False, True]),
    ],
)
def test_classes_have_the_type_of_the_labels(target: Target, classes: list[Any]) -> None:
    predictor = CLFAPredictor()
    with pytest.raises(AttributeError, match="not trained yet"):
        _ = predictor.classes_
    predictor._classifier = SimpleNamespace(targets=[target])  # type: ignore[assignment]
    assert predictor.classes_.tolist() == classes
    assert predictor.classes_.dtype == np.array(classes).dtype
    predictor._classifier = SimpleNamespace(targets=[target, target])  # type: ignore[assignment]
    with pytest.raises(AttributeError, match="of a model with one target"):
        _ = predictor.classes_


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", "b"], True),
        (np.array([0, 1]), True),
        (pd.Series([0, 1]), True),
        ([{"text": "a"}], False),
        (pd.DataFrame({"text": ["a"]}), False),
        ("validation.csv", False),
        (None, False),
        ([], False),
    ],
)
def test_what_are_labels(given: Any, expected: bool) -> None:
    assert is_labels(given) is expected


def test_labels_in_another_order_than_the_rows_are_refused(tiny_run: Path) -> None:
    predictor = CLFAPredictor.load(tiny_run)
    frame = pd.DataFrame({"text": ["a", "b", "c"]}, index=[4, 7, 2])
    for index in ([4, 7, 2], [0, 1, 2], [4, 7, 9]):
        rows = predictor._labelled(frame, pd.Series(["x", "y", "z"], index=index))
        assert rows == [{"text": text, "label": label} for text, label in zip("abc", "xyz", strict=True)]
    with pytest.raises(DataError, match=r"the index of y has the rows of the table in another order.*y\.loc"):
        predictor._labelled(frame, pd.Series(["x", "y", "z"], index=[2, 4, 7]))


def test_cross_validation_gives_rows_and_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []

    def train(recipe: Any, folder: Path, source: Any, **more: Any) -> Any:
        fitted.append(source)
        return SimpleNamespace(metrics={})

    def evaluate(path: Path, split: str, *, source: Any, **more: Any) -> dict[str, float]:
        return {"accuracy": len(source["test"])}

    loaded: Callable[[Path], Any] = lambda path: SimpleNamespace(targets=[Target("label", label_names=("a", "b"))])  # noqa: E731
    monkeypatch.setattr("clfa.runs.train.train", train)
    monkeypatch.setattr("clfa.runs.evaluate.evaluate", evaluate)
    monkeypatch.setattr("clfa.prediction.post_classifier.PostClassifier.load", loaded)
    frame = pd.DataFrame({"text": list("uvwxyz"), "image": list("abcdef")})
    scores = cross_val_score(CLFAPredictor(label="mood"), frame, pd.Series(list("ababab")), cv=3, error_score="raise")
    assert scores.tolist() == [2, 2, 2]
    assert [len(rows) for rows in fitted] == [4, 4, 4]
    assert fitted[0] == [
        {"text": text, "image": image, "mood": mood} for text, image, mood in zip("wxyz", "cdef", "abab", strict=True)
    ]
    with pytest.raises(DataError, match="the table has 6 rows and y 2 labels"):
        CLFAPredictor().score(frame, ["a", "b"])
