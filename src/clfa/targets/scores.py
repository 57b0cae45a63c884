"""Metrics of every target, and one score over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.targets import PROBLEM_TYPES
from clfa.targets.target import Target, label_slices, logit_slices


def target_reports(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, dict[str, Any]]:
    """:meth:`clfa.targets.problem_type.ProblemType.report` of every target, by name.

    Args:
        targets: Of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    return {
        target.name: target.kind.report(labels[:, own], logits[:, outputs])
        for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True)
    }


def score(reports: Mapping[str, Mapping[str, Any]]) -> float:
    """One figure to choose a model by: the plain mean over the targets' headline metrics.

    These are macro-F1 for classes and Pearson's r for numbers
    (:attr:`clfa.targets.problem_type.ProblemType.headline`). Figures below 0, or not defined, count 0. Targets that no
    sample has a label for are left out.

    Args:
        reports: From :func:`target_reports`.
    """
    labelled = [report for report in reports.values() if report["samples"]]
    parts = [report.get(PROBLEM_TYPES.get(report["problem_type"]).headline) for report in labelled]
    return float(np.mean([max(part or 0.0, 0.0) for part in parts])) if parts else 0.0


def flat_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """``score`` and every figure of every target as ``TARGET_FIGURE``, for logs."""
    reports = target_reports(targets, labels, logits)
    figures = {f"{name}_{key}": value for name, report in reports.items() for key, value in figures_of(report).items()}
    return {"score": score(reports), **figures}


def figures_of(report: Mapping[str, Any]) -> dict[str, float]:
    """The single figures of a target's report, those that are defined.

    Args:
        report: From :meth:`clfa.targets.problem_type.ProblemType.report`.
    """
    return {key: float(value) for key, value in report.items() if isinstance(value, int | float) and key != "samples"}
