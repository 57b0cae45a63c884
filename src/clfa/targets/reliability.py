"""How far probabilities can be trusted: calibration errors, coverage and risk, prediction sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from clfa.targets.probabilities import log_probabilities
from clfa.targets.problem_type import ProblemType
from clfa.targets.target import Target

BINS = 15
# Shares of posts that keep their label, and levels of prediction sets, in reports.
COVERAGES, LEVELS = (0.8, 0.9), (0.9,)
# Points of a curve of risk over coverage.
_POINTS = 20


def calibration_report(target: Target, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any] | None:
    """Return what ``metrics.json`` has under ``calibration``; ``None`` for a target without class probabilities.

    Args:
        target: The target, calibrated or not.
        labels: Labels (N, ``width``), NaN where missing.
        logits: (N, ``logit_width``).

    Returns:
        ``temperature`` (``None`` without a calibration), ``before`` and ``after`` it (see
        :func:`probability_errors`; equal without one), ``bins`` (see :func:`reliability_bins`), ``risk_coverage`` (see
        :func:`risk_coverage`); for calibrated targets ``abstention`` and ``sets``: what thresholds of the held-out
        posts reach here. ``None`` also without a labelled post.
    """
    present = ~np.isnan(labels).any(axis=1)
    labels, logits = labels[present], logits[present]
    found = target.calibration
    raw = replace(target, calibration=None).kind
    if not len(labels) or not target.label_names or raw.probabilities(logits) is None:
        return None
    confident, right = decisions(target.kind, labels, logits)
    report: dict[str, Any] = {
        "temperature": None if found is None else found.temperature,
        "before": probability_errors(raw, labels, logits),
        "after": probability_errors(target.kind, labels, logits),
        "bins": reliability_bins(*_events(target.kind, labels, logits)),
    }
    if confident is not None:
        report["risk_coverage"] = risk_coverage(confident, right)
    if found is None:
        return report
    if found.confidences and confident is not None:
        report["abstention"] = [_abstention(found.threshold(c), c, confident, right) for c in COVERAGES]
    report["sets"] = [
        _sets(target, labels, logits, method, level, limit)
        for method in found.scores
        for level in LEVELS
        if np.isfinite(limit := found.limit(method, level))
    ]
    return report


def probability_errors(kind: ProblemType, labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Return errors of class probabilities; lower is better.

    ``nll`` is the mean negative log-likelihood; ``brier`` the mean squared error (Brier 1950: summed over the classes
    of one label, the mean over those of a multi-label target); ``ece`` the expected calibration error of the predicted
    class with 15 bins of equal width (Naeini et al. 2015; Guo et al. 2017); ``classwise_ece`` the mean over the classes
    of that of each class (Kull et al. 2019), which for a multi-label target is also its ``ece``.

    Args:
        kind: A kind with class probabilities.
        labels: (N, ``width``), without missing labels, N > 0.
        logits: (N, ``logit_width``).
    """
    table = kind.probabilities(logits)
    assert table is not None
    truth = _truth(kind, labels, table.shape[1])
    squares = (table - truth) ** 2
    each = [expected_calibration_error(table[:, c], truth[:, c]) for c in range(table.shape[1])]
    classwise = float(np.mean(each))
    if kind.one_class:
        logs = np.log(np.maximum(table[np.arange(len(table)), labels[:, 0].astype(int)], 1e-12))
        return {
            "nll": float(-logs.mean()),
            "brier": float(squares.sum(axis=1).mean()),
            "ece": expected_calibration_error(*_events(kind, labels, logits)),
            "classwise_ece": classwise,
        }
    likelihood = truth * log_probabilities(table) + (1 - truth) * log_probabilities(1 - table)
    return {
        "nll": float(-likelihood.mean()),
        "brier": float(squares.mean()),
        "ece": classwise,
        "classwise_ece": classwise,
    }


def expected_calibration_error(probabilities: np.ndarray, happened: np.ndarray) -> float:
    """Return the mean distance of probability and frequency over the bins, weighted by their numbers of posts.

    Args:
        probabilities: Probabilities of events (N,), N > 0.
        happened: Whether each happened (N,).
    """
    bins = reliability_bins(probabilities, happened)
    gaps = [b["samples"] * abs(b["confidence"] - b["frequency"]) for b in bins if b["samples"]]
    return float(sum(gaps) / len(probabilities))


def reliability_bins(probabilities: np.ndarray, happened: np.ndarray) -> list[dict[str, Any]]:
    """Return, for each of 15 bins of equal width, ``samples``, mean ``confidence`` and ``frequency`` of the event.

    Args:
        probabilities: Probabilities of events (N,).
        happened: Whether each happened (N,).
    """
    place = np.clip(np.ceil(probabilities * BINS).astype(int) - 1, 0, BINS - 1)
    bins = []
    for number in range(BINS):
        own = place == number
        some = bool(own.any())
        bins.append(
            {
                "samples": int(own.sum()),
                "confidence": float(probabilities[own].mean()) if some else None,
                "frequency": float(happened[own].mean()) if some else None,
            }
        )
    return bins


def risk_coverage(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Return the share of errors among the most confident posts (El-Yaniv and Wiener 2010).

    Args:
        confidence: (N,), N > 0.
        right: Whether each prediction is right (N,).

    Returns:
        ``area`` under the curve, the mean risk over all coverages, and ``points``: pairs of coverage and risk.
    """
    order = np.argsort(-confidence, kind="stable")
    risks = np.cumsum(~right[order]) / np.arange(1, len(right) + 1)
    ranks = sorted({max(round(len(right) * (k + 1) / _POINTS), 1) for k in range(_POINTS)})
    points = [[rank / len(right), float(risks[rank - 1])] for rank in ranks]
    return {"area": float(risks.mean()), "points": points}


def decisions(kind: ProblemType, labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the confidence of each prediction (``None`` for kinds without it), and whether it is right, (N,) each.

    Args:
        kind: Kind of the target.
        labels: (N, ``width``), without missing labels.
        logits: (N, ``logit_width``).
    """
    right: np.ndarray = (kind.values(logits) == labels).all(axis=1)
    return kind.confidence(logits), right


def _events(kind: ProblemType, labels: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and whether what they are of happened: the predicted class, or every class of a set."""
    if kind.one_class:
        confident, right = decisions(kind, labels, logits)
        assert confident is not None
        return confident, right
    table = kind.probabilities(logits)
    assert table is not None
    return table.ravel(), _truth(kind, labels, table.shape[1]).ravel()


def _truth(kind: ProblemType, labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[labels[:, 0].astype(int)] if kind.one_class else labels


def _abstention(threshold: float, coverage: float, confident: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    kept = confident >= threshold
    risk = float(1 - right[kept].mean()) if kept.any() else None
    return {"coverage": coverage, "reached": float(kept.mean()), "risk": risk}


def _sets(
    target: Target, labels: np.ndarray, logits: np.ndarray, method: str, level: float, limit: float
) -> dict[str, Any]:
    sets = target.kind.prediction_sets(logits, method, limit)
    reached = [
        set([name] if target.kind.one_class else name) <= set(found)
        for name, found in zip(map(target.kind.describe, labels), sets, strict=True)
    ]
    return {
        "method": method,
        "level": level,
        "reached": float(np.mean(reached)),
        "mean_size": float(np.mean([len(found) for found in sets])),
    }
