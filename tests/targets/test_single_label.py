from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.targets.single_label import classification_metrics, classification_report
from clfa.targets.target import Target


def test_two_classes_by_hand() -> None:
    labels, predictions = np.array([1, 1, 1, 0, 0, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0, 0, 0])
    metrics = classification_metrics(labels, predictions, 2)
    # Class 1: precision 2/3, recall 2/3; class 0: 4/5 and 4/5.
    assert metrics == pytest.approx(
        {
            "accuracy": 6 / 8,
            "macro_f1": (2 / 3 + 4 / 5) / 2,
            "weighted_f1": (3 * 2 / 3 + 5 * 4 / 5) / 8,
            "binary_f1": 2 / 3,
            "precision": 2 / 3,
            "recall": 2 / 3,
        }
    )


def test_averages_run_over_classes_that_do_not_occur() -> None:
    metrics = classification_metrics(np.array([0, 0]), np.array([0, 0]), 3)
    assert metrics == pytest.approx({"accuracy": 1.0, "macro_f1": 1 / 3, "weighted_f1": 1.0})


def test_report_by_hand() -> None:
    labels, predictions = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 1, 1, 1, 0, 1])
    report = classification_report(labels, predictions, ["neg", "neu", "pos"])
    assert report["samples"] == 6
    assert report["confusion_matrix"] == [[1, 1, 0], [1, 2, 0], [0, 1, 0]]
    assert report["classes"]["neu"] == pytest.approx(
        {"precision": 2 / 4, "recall": 2 / 3, "f1": 2 * (1 / 2) * (2 / 3) / (1 / 2 + 2 / 3), "support": 3}
    )
    assert report["classes"]["pos"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1}
    assert "binary_f1" not in report


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_figures_agree_with_the_confusion_matrix(pairs: list[tuple[int, int]]) -> None:
    labels, predictions = np.array(pairs).T
    report = classification_report(labels, predictions, ["a", "b", "c"])
    matrix = np.array(report["confusion_matrix"])
    assert matrix.sum() == report["samples"] == len(pairs)
    assert report["accuracy"] == pytest.approx(np.trace(matrix) / matrix.sum())
    doubled = 2 * np.diag(matrix)
    sums = matrix.sum(axis=0) + matrix.sum(axis=1)
    f1 = np.divide(doubled, sums, out=np.zeros(3), where=sums > 0)
    assert report["macro_f1"] == pytest.approx(f1.mean())
    assert report["weighted_f1"] == pytest.approx((f1 * matrix.sum(axis=1)).sum() / len(pairs))


def test_single_label_targets_have_the_default_tasks_figures() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    report = Target("s", label_names=("no", "yes")).kind.report(np.array([[0.0], [np.nan], [1.0], [1.0]]), logits)
    expected = classification_report(np.array([0, 1, 1]), np.array([0, 0, 1]), ["no", "yes"])
    assert report == {"problem_type": "single_label_classification", **expected}
    assert report["samples"] == 3
