from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from clfa.targets.multi_label import MultiLabel
from clfa.targets.problem_type import ProblemType
from clfa.targets.single_label import SingleLabel
from clfa.targets.target import Target
from clfa.yardsticks import YARDSTICKS
from clfa.yardsticks.base import YardstickData, YardstickSplit
from clfa.yardsticks.compute import blend_outputs, yardstick_metrics, yardstick_outputs


def test_metrics_are_those_of_the_outputs(data: YardstickData, tmp_path: Path) -> None:
    found = yardstick_metrics(data, tmp_path)
    outputs = {name: own for name, own, _ in yardstick_outputs(data, tmp_path)}
    assert list(found) == list(outputs) == YARDSTICKS.names()
    entry = found["pooled_image"]
    assert list(entry) == ["validation", "test", "settings", "seconds"]
    labels, predicted = data.splits["test"].labels[:, 0], outputs["pooled_image"].logits["test"].argmax(axis=1)
    assert entry["test"]["accuracy"] == accuracy_score(labels, predicted)
    assert entry["test"]["macro_f1"] == f1_score(labels, predicted, average="macro")
    assert entry["test"]["samples"] == 50
    # Only single figures.
    assert not any(isinstance(value, dict | list) for value in entry["test"].values())


def test_what_is_absent_leaves_a_reason(data: YardstickData, tmp_path: Path) -> None:
    absent = {"image_features": "the model reads no images"}
    found = yardstick_metrics(replace(data, absent=absent), tmp_path)
    left_out = {name for name, entry in found.items() if "left_out" in entry}
    assert left_out == {"pooled_image", "pooled", "pooled_tfidf"}
    assert found["pooled"] == {"left_out": "the model reads no images"}


def test_those_that_read_less_are_not_fitted_for_a_blend(data: YardstickData, tmp_path: Path) -> None:
    assert list(blend_outputs(data, tmp_path / "all")) == ["tfidf", "pooled_tfidf"]
    assert len(list((tmp_path / "all/yardsticks").glob("*.npz"))) == 2
    for absent, names in (("texts", ["pooled"]), ("image_features", ["tfidf", "pooled_text"])):
        without = replace(data, absent={absent: "not there"})
        assert list(blend_outputs(without, tmp_path / absent)) == names


def test_a_problem_type_without_estimates_has_no_yardsticks(
    data: YardstickData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SingleLabel, "logits_of", ProblemType.logits_of)
    found = yardstick_metrics(data, tmp_path)
    reason = "the problem type 'single_label_classification' has no logits_of()"
    assert found == {name: {"left_out": reason} for name in YARDSTICKS.names()}


def test_thresholds_are_chosen_as_those_of_the_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    target = Target("emotions", "multi_label_classification", ("joy", "anger"))
    # A rare class: with 0.5 it is never predicted by its share alone.
    splits = {
        name: YardstickSplit((rng.random((40, 2)) < [0.3, 0.7]).astype(float)) for name in ("train", "validation")
    }
    data = YardstickData(splits, [target], dict.fromkeys(("texts", "text_features", "image_features"), "none"))
    plain = yardstick_metrics(data, tmp_path)["majority"]["validation"]["targets"]["emotions"]
    tuned = yardstick_metrics(data, tmp_path, tune_thresholds=True)["majority"]["validation"]["targets"]["emotions"]
    labels = splits["validation"].labels
    assert plain["macro_f1"] == pytest.approx(f1_score(labels, [[0, 1]] * 40, average="macro", zero_division=0))
    assert tuned["macro_f1"] == pytest.approx(f1_score(labels, np.ones((40, 2)), average="macro"))
    assert MultiLabel.headline == "macro_f1"
