"""From outputs of a classifier to probabilities, in NumPy."""

from __future__ import annotations

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Sigmoid of every element, in float64."""
    # Both branches of the stable sigmoid at once.
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))
