"""Metrics of all targets, and their overall score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.targets import PROBLEM_TYPES
from clfa.targets.target import Target, label_slices, logit_slices


def target_reports(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return :meth:`clfa.targets.problem_type.ProblemType.report` of each target, by name.

    Args:
        targets: Targets of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    return {
        target.name: target.kind.report(labels[:, own], logits[:, outputs])
        for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True)
    }


def score(reports: Mapping[str, Mapping[str, Any]]) -> float:
    """Return the score for model selection: the unweighted mean of the targets' headline metrics.

    The headline metric (:attr:`clfa.targets.problem_type.ProblemType.headline`) is for instance macro-F1 for classes
    and Pearson's r for numbers. Negative and undefined values count as 0. Targets without labels are ignored.

    Args:
        reports: From :func:`target_reports`.
    """
    labelled = [report for report in reports.values() if report["samples"]]
    parts = [report.get(PROBLEM_TYPES.get(report["problem_type"]).headline) for report in labelled]
    return float(np.mean([max(part or 0.0, 0.0) for part in parts])) if parts else 0.0


def flat_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Return ``score`` and all figures of all targets as ``TARGET_FIGURE``, for logs."""
    reports = target_reports(targets, labels, logits)
    figures = {f"{name}_{key}": value for name, report in reports.items() for key, value in figures_of(report).items()}
    return {"score": score(reports), **figures}


def figures_of(report: Mapping[str, Any]) -> dict[str, float]:
    """Return the defined single figures of a target's report.

    Args:
        report: From :meth:`clfa.targets.problem_type.ProblemType.report`.
    """
    return {key: float(value) for key, value in report.items() if isinstance(value, int | float) and key != "samples"}
