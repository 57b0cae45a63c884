"""The relation of two students in NumPy, sample by sample and token by token, from its definition."""

from __future__ import annotations

import numpy as np


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b)))


def best_matches(own: np.ndarray, other: np.ndarray) -> float:
    """Mean over the rows of ``own`` of the largest cosine to a row of ``other``; rows are existing tokens only."""
    return float(np.mean([max(cosine(token, candidate) for candidate in other) for token in own]))


def features(
    text: np.ndarray, image: np.ndarray, text_tokens: np.ndarray, image_tokens: np.ndarray
) -> dict[str, np.ndarray]:
    """Features of one sample by part."""
    t, i = text / np.linalg.norm(text), image / np.linalg.norm(image)
    root = np.sqrt(len(t))
    return {
        "product": np.array([a * b * root for a, b in zip(t, i, strict=True)]),
        "difference": np.array([abs(a - b) * root for a, b in zip(t, i, strict=True)]),
        "cosine": np.array([5 * cosine(text, image)]),
        "tokens": np.array([5 * best_matches(text_tokens, image_tokens), 5 * best_matches(image_tokens, text_tokens)]),
    }
