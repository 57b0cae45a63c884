"""The losses in NumPy, written from the formulas."""

from __future__ import annotations

import numpy as np


def draws(seed: int, n: int = 7, classes: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Logits, class indices, sets of classes, weights."""
    random = np.random.default_rng(seed)
    return (
        random.normal(0, 3, (n, classes)),
        random.integers(0, classes, n),
        random.integers(0, 2, (n, classes)).astype(float),
        random.uniform(0.2, 5, classes),
    )


def numpy_single(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, gamma: float, smoothing: float) -> float:
    total = norm = 0.0
    for row, label in zip(logits, labels, strict=True):
        p = np.exp(row) / np.exp(row).sum()
        norm += weights[label]
        for c, p_c in enumerate(p):
            q = (1 - smoothing) * (c == label) + smoothing / len(p)
            total += q * weights[c] * (1 - p_c) ** gamma * -np.log(p_c)
    return total / norm


def numpy_multi(logits: np.ndarray, labels: np.ndarray, weights: np.ndarray, gamma: float, smoothing: float) -> float:
    terms = []
    for row, label in zip(logits, labels, strict=True):
        for x, y, w in zip(row, label, weights, strict=True):
            p, q = 1 / (1 + np.exp(-x)), y * (1 - smoothing) + smoothing / 2
            terms.append(w * q * (1 - p) ** gamma * -np.log(p) + (1 - q) * p**gamma * -np.log(1 - p))
    return float(np.mean(terms))
