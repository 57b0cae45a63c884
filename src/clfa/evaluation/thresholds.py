"""Probability thresholds of a multi-label target, chosen on the validation split."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import precision_recall_curve

from clfa.targets.target import THRESHOLD


def best_thresholds(labels: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """For each class the threshold with the best F1.

    A threshold lies half-way between the last probability it takes in and the next one below. Of equally good ones
    the nearest to 0.5 is taken; 0.5 for a class without a positive, and wherever nothing else is better.

    Args:
        labels: 0 or 1 (N, C), N >= 1; a row with NaN has no label and does not count.
        probabilities: (N, C).

    Returns:
        C thresholds; a class is predicted from its threshold on.
    """
    present = ~np.isnan(labels).any(axis=1)
    return [_best(labels[present, c].astype(int), probabilities[present, c]) for c in range(labels.shape[1])]


def _best(labels: np.ndarray, probabilities: np.ndarray) -> float:
    if not labels.any():
        return THRESHOLD
    precision, recall, cuts = precision_recall_curve(labels, probabilities)
    # The curve's last point, without predictions, has no threshold.
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    plain = probabilities >= THRESHOLD
    hits = int((plain & (labels == 1)).sum())
    if 2 * hits / (int(plain.sum()) + int(labels.sum())) >= f1.max() - 1e-12:
        return THRESHOLD
    below = np.concatenate([[0.0], cuts[:-1]])
    middles = (cuts + below) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(min(middles[best], key=lambda threshold: abs(threshold - THRESHOLD)))
