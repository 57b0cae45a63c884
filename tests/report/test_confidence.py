from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from clfa.report.build import ReportContent
from clfa.report.confidence import confidence_rows
from clfa.report.markdown import _confidence
from clfa.targets.calibrate import calibrated
from clfa.targets.reliability import calibration_report
from clfa.targets.target import Target

TARGET = Target("label", label_names=("a", "b"))
LABELS, LOGITS = np.array([[0.0], [1.0], [1.0], [0.0]]), np.array([[3.0, 0.0], [0.0, 2.0], [1.0, 0.0], [1.0, 0.5]])


def report(warm: bool) -> dict[str, Any]:
    target = calibrated([TARGET], LABELS, LOGITS)[0] if warm else TARGET
    found = calibration_report(target, LABELS, LOGITS)
    assert found is not None
    return found


def study(*metrics: dict[str, Any]) -> Any:
    return SimpleNamespace(rows=["r"], split="test", run_metrics=lambda name: [{"test": one} for one in metrics])


def test_errors_are_means_over_runs() -> None:
    (row,) = confidence_rows(study({"calibration": report(True)}, {"calibration": report(False)}, {}))
    before = report(False)["before"]
    assert row.before == pytest.approx({key: before[key] for key in ("ece", "nll", "brier")})
    assert row.after["nll"] == pytest.approx((report(True)["after"]["nll"] + before["nll"]) / 2)
    assert row.temperature == report(True)["temperature"]
    assert row.plot is not None
    line = _confidence(ReportContent(study(), [], [], [], [], confidence=[row])).splitlines()[-1]
    assert f"{before['ece']:.3f} → {row.after['ece']:.3f}" in line


def test_targets_are_named_and_runs_without_figures_left_out() -> None:
    rows = confidence_rows(study({"targets": {"mood": {"calibration": report(False)}, "age": {"samples": 3}}}))
    assert [row.name for row in rows] == ["r, mood"]
    assert math.isnan(rows[0].temperature)
    assert confidence_rows(study({"accuracy": 0.5})) == []
