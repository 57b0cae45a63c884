"""Batches in which samples have different numbers of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pad_pictures(pixels: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """Stack the pictures of B samples, padded with zeros to the largest number M of pictures.

    Args:
        pixels: One picture (3, H, W), or n pictures (n, 3, H, W), of each sample; ``None`` without a picture.

    Returns:
        Pictures (B, M, 3, H, W), and whether each exists (B, M).
    """
    lists = [None if one is None else np.asarray(one) for one in pixels]
    lists = [one if one is None or one.ndim == 4 else one[None] for one in lists]
    counts = [0 if one is None else len(one) for one in lists]
    first = next(one for one in lists if one is not None)
    padded = np.zeros((len(lists), max(counts), *first.shape[1:]), first.dtype)
    for row, one in zip(padded, lists, strict=True):
        if one is not None:
            row[: len(one)] = one
    return padded, np.arange(max(counts)) < np.array(counts)[:, None]


def pad_tokens(features: Sequence[np.ndarray | None]) -> tuple[np.ndarray, np.ndarray]:
    """Stack the image tokens of B samples, padded with zeros to the longest sample.

    Args:
        features: Tokens (N, width) of each sample; ``None`` without a picture.

    Returns:
        Features (B, N, width) in float32, and a mask with 1 where a token exists (B, N).
    """
    first = next(one for one in features if one is not None)
    lengths = np.array([0 if one is None else len(one) for one in features])
    padded = np.zeros((len(features), lengths.max(), first.shape[1]), np.float32)
    for row, one in zip(padded, features, strict=True):
        if one is not None:
            row[: len(one)] = one
    return padded, (np.arange(padded.shape[1]) < lengths[:, None]).astype(np.int64)
