"""Scores of given labels by out-of-fold probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class LabelQuality:
    """Scores of N labels.

    Args:
        confidence: Probability of the given label (N,).
        margin: Normalised margin (N,), from 0 to 1, small for probable wrong labels.
        suggested: The most probable class after adjustment (N,).
        wrong: Whether the label is probably wrong (N,).
    """

    confidence: np.ndarray
    margin: np.ndarray
    suggested: np.ndarray
    wrong: np.ndarray

    @property
    def ranking(self) -> np.ndarray:
        """Positions (N,), the most probable wrong label first."""
        return np.lexsort((self.confidence, self.margin))


def label_quality(probabilities: np.ndarray, labels: np.ndarray) -> LabelQuality:
    """Return the scores of labels.

    With ``t_k`` the mean probability of class k over the samples with label k: probabilities are adjusted to
    ``p_k - t_k + max(t)`` and add up to 1, so that a class that is harder to predict is not suspected more; the margin
    is the difference between the given label's and the largest other one (Kuan and Mueller 2022, "Model-agnostic label
    quality scoring to detect real-world label errors"). A label is probably wrong if, of the classes with ``p_k >=
    t_k``, the most probable one is another (confident learning, Northcutt et al. 2021).

    Args:
        probabilities: Out-of-fold probabilities (N, classes).
        labels: Given class indices (N,).
    """
    rows = np.arange(len(labels))
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    confidence = probabilities[rows, labels]
    sums = np.bincount(labels, weights=confidence, minlength=probabilities.shape[1])
    # Nothing is suspected to belong to a class that no sample has.
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), np.inf)
    largest = thresholds[counts > 0].max()
    adjusted = np.where(counts > 0, probabilities - np.where(counts > 0, thresholds, 0) + largest, 0)
    adjusted /= adjusted.sum(axis=1, keepdims=True)
    others = adjusted.copy()
    others[rows, labels] = -np.inf
    margin = (adjusted[rows, labels] - others.max(axis=1) + 1) / 2
    confident = np.where(probabilities >= thresholds, probabilities, -np.inf)
    best = confident.argmax(axis=1)
    wrong = confident[rows, best] > confident[rows, labels]
    return LabelQuality(confidence, margin, adjusted.argmax(axis=1), wrong)
