from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clfa.targets import METRICS
from clfa.targets.scores import flat_metrics, score, target_reports
from clfa.targets.target import Target

NAN = np.nan
SINGLE = Target("s", label_names=("no", "yes"))
NUMBER = Target("v", "regression", mean=10, sd=4)


def test_a_registered_metric_adds_figures_and_replaces_none(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, logits = np.array([[0.0], [1.0]]), np.array([[1.0, 0.0], [2.0, 0.0]])
    before = SINGLE.kind.report(labels, logits)
    monkeypatch.setattr(METRICS, "_entries", {})

    @METRICS.register("margin")
    def margin(kind: Any, labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
        return {"margin": float(np.ptp(logits, axis=1).mean()), "accuracy": -1.0}

    assert SINGLE.kind.report(labels, logits) == {**before, "margin": 1.5}
    assert flat_metrics([SINGLE], labels, logits)[f"{SINGLE.name}_margin"] == 1.5


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
