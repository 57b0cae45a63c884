"""Metrics of each target, by scikit-learn and SciPy, and one score over all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    hamming_loss,
    mean_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    root_mean_squared_error,
)

from clfa.evaluation.metrics import classification_report
from clfa.evaluation.target_predictions import target_probabilities, target_values
from clfa.targets.target import MULTI_LABEL, REGRESSION, SINGLE_LABEL, Target, label_slices, logit_slices

# What a target adds to the score, by its problem type.
HEADLINE = {SINGLE_LABEL: "macro_f1", MULTI_LABEL: "macro_f1", REGRESSION: "pearson"}


def target_report(target: Target, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """Everything about one target on the samples that have a label for it.

    Args:
        target: Its thresholds, mean and sd count.
        labels: Its part of the labels (N, ``target.width``), NaN where missing.
        logits: Its part of the outputs (N, ``target.logit_width``).

    Returns:
        ``problem_type``, ``samples`` and, where there is a sample, for

        - single-label targets what :func:`clfa.evaluation.metrics.classification_report` has;
        - multi-label targets ``micro_f1``, ``macro_f1``, ``weighted_f1``, ``subset_accuracy``, ``hamming_loss``,
          ``mean_average_precision`` (over the classes with a positive), ``thresholds`` and, by class, precision,
          recall, F1, average precision and support;
        - regressions ``mae``, ``rmse``, ``r2``, ``pearson``, ``spearman`` (the last three ``None`` where all labels,
          or for the last two all predictions, are equal).
    """
    present = ~np.isnan(labels).any(axis=1)
    labels, logits = labels[present], logits[present]
    report: dict[str, Any] = {"problem_type": target.problem_type, "samples": len(labels)}
    if not len(labels):
        return report
    values = target_values(target, logits)
    if target.problem_type == SINGLE_LABEL:
        return report | classification_report(labels[:, 0].astype(int), values[:, 0].astype(int), [*target.label_names])
    if target.problem_type == MULTI_LABEL:
        return report | _multi_label_report(target, labels.astype(int), values.astype(int), logits)
    return report | regression_metrics(labels[:, 0], values[:, 0])


def _multi_label_report(target: Target, labels: np.ndarray, values: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    probabilities = target_probabilities(target, logits)
    precision, recall, f1, support = precision_recall_fscore_support(labels, values, average=None, zero_division=0)
    # Without a positive there is nothing to rank.
    ranked = [
        float(average_precision_score(labels[:, i], probabilities[:, i])) if support[i] else None
        for i in range(labels.shape[1])
    ]
    known = [value for value in ranked if value is not None]
    return {
        **{f"{kind}_f1": _multi_label_f1(labels, values, kind) for kind in ("micro", "macro", "weighted")},
        "subset_accuracy": float(accuracy_score(labels, values)),
        "hamming_loss": float(hamming_loss(labels, values)),
        "mean_average_precision": float(np.mean(known)) if known else None,
        "thresholds": None if target.thresholds is None else list(target.thresholds),
        "classes": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "average_precision": ranked[i],
                "support": int(support[i]),
            }
            for i, name in enumerate(target.label_names)
        },
    }


def _multi_label_f1(labels: np.ndarray, values: np.ndarray, average: str) -> float:
    if labels.shape[1] == 1:
        # Of one column scikit-learn would make two classes, with and without.
        return float(f1_score(labels[:, 0], values[:, 0], zero_division=0))
    return float(f1_score(labels, values, average=average, zero_division=0))


def regression_metrics(labels: np.ndarray, values: np.ndarray) -> dict[str, float | None]:
    """Errors and correlations of a number.

    Args:
        labels: True values (N,), N >= 1.
        values: Predicted ones (N,).

    Returns:
        ``mae``, ``rmse``, ``r2``, ``pearson`` and ``spearman``; ``None`` where one is not defined.
    """
    varies = len(labels) > 1 and np.ptp(labels) > 0
    both = varies and np.ptp(values) > 0
    return {
        "mae": float(mean_absolute_error(labels, values)),
        "rmse": float(root_mean_squared_error(labels, values)),
        "r2": float(r2_score(labels, values)) if varies else None,
        "pearson": float(pearsonr(labels, values).statistic) if both else None,
        "spearman": float(spearmanr(labels, values).statistic) if both else None,
    }


def target_reports(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, dict[str, Any]]:
    """:func:`target_report` of every target, by name.

    Args:
        targets: Of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    return {
        target.name: target_report(target, labels[:, own], logits[:, outputs])
        for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True)
    }


def score(reports: Mapping[str, Mapping[str, Any]]) -> float:
    """One figure to choose a model by: the plain mean over targets of macro-F1, or of Pearson's r for a regression.

    Correlations below 0, or not defined, count 0. Targets that no sample has a label for are left out.

    Args:
        reports: From :func:`target_reports`.
    """
    parts = [report.get(HEADLINE[report["problem_type"]]) for report in reports.values() if report["samples"]]
    return float(np.mean([max(part or 0.0, 0.0) for part in parts])) if parts else 0.0


def flat_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """``score`` and every figure of every target as ``TARGET_FIGURE``, for logs."""
    reports = target_reports(targets, labels, logits)
    figures = {
        f"{name}_{key}": float(value)
        for name, report in reports.items()
        for key, value in report.items()
        if isinstance(value, int | float) and key != "samples"
    }
    return {"score": score(reports), **figures}
