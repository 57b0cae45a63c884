from __future__ import annotations

import numpy as np
import pytest

from clfa.issues.label_quality import label_quality


def test_scores_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6], [0.8, 0.2]])
    labels = np.array([0, 0, 0, 1, 1])
    found = label_quality(probabilities, labels)
    # Mean probabilities of the given labels: 0.6 for class 0, 0.4 for class 1; adjusted p + (0, 0.2), divided by 1.2.
    np.testing.assert_allclose(found.confidence, [0.9, 0.7, 0.2, 0.6, 0.2])
    margins = [(0.9 - 0.3) / 1.2, (0.7 - 0.5) / 1.2, (0.2 - 1.0) / 1.2, (0.8 - 0.4) / 1.2, (0.4 - 0.8) / 1.2]
    np.testing.assert_allclose(found.margin, [(margin + 1) / 2 for margin in margins])
    assert found.ranking.tolist() == [2, 4, 1, 3, 0]
    assert found.suggested.tolist() == [0, 0, 1, 1, 0]
    assert found.wrong.tolist() == [False, False, True, False, True]


def test_a_class_that_is_hard_to_predict_is_not_suspected_more() -> None:
    # Class 1 gets 0.45 at best: by confidence all its labels come first, by margin only the odd one does.
    probabilities = np.array([[0.95, 0.05]] * 3 + [[0.5, 0.5]] + [[0.55, 0.45]] * 3 + [[0.9, 0.1]])
    found = label_quality(probabilities, np.array([0, 0, 0, 0, 1, 1, 1, 1]))
    assert set(np.argsort(found.confidence, kind="stable")[:4]) == {4, 5, 6, 7}
    assert set(found.ranking[:2].tolist()) == {3, 7}
    assert found.wrong.tolist() == [False, False, False, True, False, False, False, True]


def test_a_class_without_labels_is_never_suggested() -> None:
    probabilities = np.array([[0.1, 0.2, 0.7], [0.6, 0.1, 0.3]])
    found = label_quality(probabilities, np.array([0, 1]))
    assert set(found.suggested.tolist()) <= {0, 1}
    assert np.isfinite(found.margin).all()
    assert found.margin.min() >= 0
    assert found.margin.max() <= 1


def test_three_classes_against_the_largest_other() -> None:
    found = label_quality(np.array([[0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.3, 0.2, 0.5]]), np.array([0, 1, 2]))
    # Equal means: the probabilities stay as they are, up to their sum of 1.
    np.testing.assert_allclose(found.margin, (np.array([0.2] * 3) + 1) / 2)
    assert not found.wrong.any()


@pytest.mark.parametrize("seed", range(5))
def test_ties_are_broken_by_confidence(seed: int) -> None:
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([1, 1, 1], 50)
    found = label_quality(probabilities, random.integers(0, 3, 50))
    ordered = found.margin[found.ranking]
    assert (np.diff(ordered) >= 0).all()


def test_equal_probabilities_are_no_reason_to_call_a_label_wrong() -> None:
    assert not label_quality(np.full((4, 2), 0.5), np.array([0, 1, 0, 1])).wrong.any()
    # Exactly the mean probability of class 0 is enough.
    found = label_quality(np.array([[0.6, 0.4]] * 3), np.array([0, 1, 1]))
    assert found.wrong.tolist() == [False, True, True]
