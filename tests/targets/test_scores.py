from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.targets import METRICS
from clfa.targets.multi_label import best_thresholds
from clfa.targets.prediction import predict_targets
from clfa.targets.regression import regression_metrics
from clfa.targets.scores import flat_metrics, score, target_reports
from clfa.targets.single_label import classification_report
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction

NAN = np.nan
SINGLE = Target("s", label_names=("no", "yes"))
MULTI = Target("e", "multi_label_classification", ("a", "b", "c"))
NUMBER = Target("v", "regression", mean=10, sd=4)


def f1(truth: np.ndarray, found: np.ndarray) -> float:
    hits = int((truth & found).sum())
    return 2 * hits / max(int(truth.sum() + found.sum()), 1)


# Predictions.


def test_values_and_probabilities() -> None:
    logits = np.array([[1.0, 3.0, 2.0, -2.0, 0.0, 0.5], [3.0, 1.0, -800.0, 800.0, -0.1, -2.0]])
    found = predict_targets([SINGLE, MULTI, NUMBER], logits)
    high = 1 / (1 + np.exp(-2.0))
    assert found[0]["s"].value == "yes"
    assert found[0]["s"].probabilities == pytest.approx({"no": 1 - high, "yes": high})
    # A probability of exactly the threshold has the class.
    assert found[0]["e"].value == ["a", "c"]
    assert found[0]["e"].probabilities == pytest.approx({"a": high, "b": 1 - high, "c": 0.5})
    assert found[0]["v"] == TargetPrediction(12.0)
    assert (found[1]["s"].value, found[1]["e"].value, found[1]["v"].value) == ("no", ["b"], 2.0)
    assert found[1]["e"].probabilities == pytest.approx({"a": 0, "b": 1, "c": 1 / (1 + np.exp(0.1))})
    strict = Target("e", "multi_label_classification", ("a", "b", "c"), thresholds=(0.9, 0.1, 0.6))
    assert strict.kind.values(logits[:, 2:5]).tolist() == [[0, 1, 0], [0, 1, 0]]
    assert np.asarray(SINGLE.kind.probabilities(logits[:, :2])).sum(axis=1) == pytest.approx([1, 1])


def test_json_form() -> None:
    assert TargetPrediction(12345.678901).to_dict() == {"prediction": 12345.7}
    assert TargetPrediction(["a"], {"a": 0.12345678}).to_dict() == {
        "prediction": ["a"],
        "probabilities": {"a": 0.123457},
    }


# Metrics.


def test_single_label_targets_have_the_default_tasks_figures() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    report = SINGLE.kind.report(np.array([[0.0], [NAN], [1.0], [1.0]]), logits)
    expected = classification_report(np.array([0, 1, 1]), np.array([0, 0, 1]), ["no", "yes"])
    assert report == {"problem_type": "single_label_classification", **expected}
    assert report["samples"] == 3


def test_a_registered_metric_adds_figures_and_replaces_none(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, logits = np.array([[0.0], [1.0]]), np.array([[1.0, 0.0], [2.0, 0.0]])
    before = SINGLE.kind.report(labels, logits)
    monkeypatch.setattr(METRICS, "_entries", {})

    @METRICS.register("margin")
    def margin(kind: Any, labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        return {"margin": float(np.ptp(logits, axis=1).mean()), "accuracy": -1.0}

    assert SINGLE.kind.report(labels, logits) == {**before, "margin": 1.5}
    assert flat_metrics([SINGLE], labels, logits)[f"{SINGLE.name}_margin"] == 1.5


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


def test_regression_figures() -> None:
    labels, values = np.array([1.0, 2.0, 4.0, 3.0]), np.array([1.5, 1.0, 8.0, 2.0])
    error = values - labels
    found = regression_metrics(labels, values)
    assert found["mae"] == pytest.approx(np.abs(error).mean())
    assert found["rmse"] == pytest.approx(np.sqrt((error**2).mean()))
    assert found["r2"] == pytest.approx(1 - (error**2).sum() / ((labels - labels.mean()) ** 2).sum())
    assert found["pearson"] == pytest.approx(np.corrcoef(labels, values)[0, 1])
    assert found["spearman"] == pytest.approx(np.corrcoef([0, 1, 3, 2], [1, 0, 3, 2])[0, 1])
    none = {"r2": None, "pearson": None, "spearman": None}
    assert regression_metrics(np.array([2.0, 2.0]), np.array([1.0, 3.0])) == {"mae": 1.0, "rmse": 1.0, **none}
    assert regression_metrics(np.array([2.0]), np.array([1.0])) == {"mae": 1.0, "rmse": 1.0, **none}
    assert regression_metrics(np.array([1.0, 2.0]), np.array([3.0, 3.0]))["pearson"] is None
    # In the user's unit.
    report = NUMBER.kind.report(np.array([[10.0], [NAN], [18.0]]), np.array([[0.0], [9.0], [1.0]]))
    assert (report["samples"], report["mae"]) == (2, 2.0)


def test_score_is_the_mean_over_targets() -> None:
    reports = {
        "s": {"problem_type": "single_label_classification", "samples": 3, "macro_f1": 0.5, "accuracy": 1.0},
        "e": {"problem_type": "multi_label_classification", "samples": 3, "macro_f1": 0.7, "micro_f1": 1.0},
        "v": {"problem_type": "regression", "samples": 3, "pearson": 0.9, "spearman": 0.1},
    }
    assert score(reports) == pytest.approx(0.7)
    reports["v"]["pearson"] = -0.9
    assert score(reports) == pytest.approx(0.4)
    reports["v"]["pearson"] = None
    assert score(reports) == pytest.approx(0.4)
    reports["v"] = {"problem_type": "regression", "samples": 0}
    assert score(reports) == pytest.approx(0.6)
    assert score({"v": reports["v"]}) == 0


def test_flat_metrics_are_the_reports() -> None:
    targets = [SINGLE, NUMBER]
    labels, logits = np.array([[0.0, 1.0], [1.0, NAN]]), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    found, reports = flat_metrics(targets, labels, logits), target_reports(targets, labels, logits)
    assert found["score"] == score(reports) == 0.5
    assert found["s_macro_f1"] == 1.0
    assert found["v_mae"] == reports["v"]["mae"] == 9.0
    assert not {"v_pearson", "s_samples", "s_classes"} & set(found)


# Thresholds.


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
