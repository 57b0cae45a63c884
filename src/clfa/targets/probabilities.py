"""Softmax and sigmoid in NumPy."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


# Smallest probability whose logarithm is taken.
_SMALLEST = 1e-12


def log_probabilities(probabilities: np.ndarray) -> np.ndarray:
    """Return the logarithm of each probability, of at least 1e-12, in float64."""
    return np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))


def log_odds(probabilities: np.ndarray) -> np.ndarray:
    """Return the inverse of :func:`sigmoid`, for probabilities limited to 1e-12 and 1 - 1e-12, in float64."""
    return log_probabilities(probabilities) - log_probabilities(1 - probabilities)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return the sigmoid of each element, in float64."""
    # Numerically stable for both signs.
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
