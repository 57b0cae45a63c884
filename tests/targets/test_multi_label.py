from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.targets.cells import labels_in
from clfa.targets.multi_label import best_thresholds
from clfa.targets.target import Target

NAN = np.nan
MULTI = Target("e", "multi_label_classification", ("a", "b", "c"))


def f1(truth: np.ndarray, found: np.ndarray) -> float:
    hits = int((truth & found).sum())
    return 2 * hits / max(int(truth.sum() + found.sum()), 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_multi_label_figures_are_the_formulas(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, logits = random.integers(0, 2, (9, 3)), random.normal(size=(9, 3))
    labels[0] = 1
    report = MULTI.kind.report(labels.astype(float), logits)
    truth, found = labels.astype(bool), logits >= 0
    scores = [f1(truth[:, c], found[:, c]) for c in range(3)]
    support = truth.sum(axis=0)
    assert report["macro_f1"] == pytest.approx(np.mean(scores))
    assert report["weighted_f1"] == pytest.approx(np.average(scores, weights=support))
    assert report["micro_f1"] == pytest.approx(f1(truth.ravel(), found.ravel()))
    assert report["subset_accuracy"] == pytest.approx((truth == found).all(axis=1).mean())
    assert report["hamming_loss"] == pytest.approx((truth != found).mean())
    ranked = []
    for c in range(3):
        # Precision at each positive of the ranking.
        order = truth[np.argsort(-logits[:, c]), c]
        ranked.append(np.mean([order[: i + 1].mean() for i in np.flatnonzero(order)]))
        figures = report["classes"]["abc"[c]]
        assert figures["support"] == support[c]
        assert figures["average_precision"] == pytest.approx(ranked[c])
        assert figures["recall"] == pytest.approx((truth & found)[:, c].sum() / support[c])
        assert figures["precision"] == pytest.approx((truth & found)[:, c].sum() / max(found[:, c].sum(), 1))
    assert report["mean_average_precision"] == pytest.approx(np.mean(ranked))


def test_classes_without_a_positive_are_not_ranked() -> None:
    report = MULTI.kind.report(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [NAN] * 3]), np.zeros((3, 3)))
    assert report["samples"] == 2
    assert report["classes"]["b"]["average_precision"] is None
    assert report["mean_average_precision"] == pytest.approx(0.5)
    lone = Target("e", "multi_label_classification", ("a",))
    report = lone.kind.report(np.array([[1.0], [0.0], [1.0]]), np.array([[1.0], [1.0], [-1.0]]))
    assert report["macro_f1"] == report["micro_f1"] == report["weighted_f1"] == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_thresholds_are_the_best(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, (size, 2)).astype(float)
    probabilities = random.integers(0, 21, (size, 2)) / 20
    for c, threshold in enumerate(best_thresholds(labels, probabilities)):
        truth = labels[:, c].astype(bool)
        reached = f1(truth, probabilities[:, c] >= threshold)
        assert reached == pytest.approx(max(f1(truth, probabilities[:, c] >= cut) for cut in np.linspace(0, 1, 401)))
        if reached == pytest.approx(f1(truth, probabilities[:, c] >= 0.5)) or not truth.any():
            assert threshold == 0.5


def test_thresholds_lie_between_probabilities_and_skip_missing_labels() -> None:
    labels = np.array([[1.0], [1.0], [0.0], [NAN]])
    assert best_thresholds(labels, np.array([[0.4], [0.3], [0.1], [0.2]])) == [pytest.approx(0.2)]


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ('["a", null, "b"]', ["a", None, "b"]),
        ('["a", NaN]', ["a", pytest.approx(float("nan"), nan_ok=True)]),
        ("['a', nan, 'b']", ["a", None, "b"]),
        ("['a', None]", ["a", None]),
        ("['a' 'b']", ["a", "b"]),
        ("['a b'\n 'c, d']", ["a b", "c, d"]),
        ("[1 2 3]", [1, 2, 3]),
        ('["it\'s", "a"]', ["it's", "a"]),
        ("[]", []),
        ("[happy]", None),
        ("[happy sad]", None),
        ("[a, b]", None),
        ('[["a"]]', None),
        ('[{"a": 1}]', None),
        ("['a", None),
        ("[(]", None),
    ],
)
def test_lists_as_texts(cell: str, labels: list[Any] | None) -> None:
    """As JSON, Python, pandas and NumPy write them."""
    assert labels_in(cell) == labels
