from __future__ import annotations

import numpy as np
import pytest

from clfa.targets.probabilities import sigmoid, softmax
from clfa.targets.target import Target
from clfa.yardsticks.base import YardstickData, YardstickSplit
from clfa.yardsticks.majority import Majority


def outputs(targets: list[Target], labels: list[list[float]]) -> np.ndarray:
    splits = {"train": YardstickSplit(np.array(labels)), "validation": YardstickSplit(np.zeros((3, len(labels[0]))))}
    found = Majority().outputs(YardstickData(splits, targets))
    assert found.settings == {}
    assert len(found.logits["train"]) == len(labels)
    assert (found.logits["validation"] == found.logits["validation"][0]).all()
    return found.logits["validation"]


def test_classes_get_their_shares() -> None:
    target = Target("label", label_names=("a", "b", "c"))
    logits = outputs([target], [[2.0], [2.0], [0.0], [np.nan], [2.0]])
    assert softmax(logits)[0] == pytest.approx([0.25, 0, 0.75], abs=1e-9)
    assert target.kind.values(logits).tolist() == [[2], [2], [2]]


def test_grades_give_the_median_not_the_most_frequent_one() -> None:
    target = Target("grade", "ordinal", ("low", "middle", "high"))
    logits = outputs([target], [[0.0], [0.0], [1.0], [2.0], [2.0], [2.0], [1.0]])
    assert target.kind.values(logits)[0].tolist() == [1]
    assert target.kind.probabilities(logits)[0] == pytest.approx([2 / 7, 2 / 7, 3 / 7])


def test_sets_have_the_classes_of_most_posts_and_numbers_their_mean_each_without_missing_labels() -> None:
    emotions = Target("emotions", "multi_label_classification", ("joy", "anger"))
    strength = Target("strength", "regression", (), mean=4.0, sd=2.0)
    logits = outputs([emotions, strength], [[1, 0, 8], [1, 0, np.nan], [1, 1, np.nan], [np.nan, np.nan, 4]])
    assert sigmoid(logits[0, :2]) == pytest.approx([1, 1 / 3], abs=1e-9)
    assert strength.kind.values(logits[:, 2:])[0].tolist() == [6.0]
