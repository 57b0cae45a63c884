"""Batches in which samples have different numbers of pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def pad_pictures(pixels: Sequence[torch.Tensor | None]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack the pictures of B samples, padded with zeros to the largest number M of pictures.

    Args:
        pixels: One picture (3, H, W), or n pictures (n, 3, H, W), of each sample; ``None`` without a picture.

    Returns:
        Pictures (B, M, 3, H, W), and whether each exists (B, M).
    """
    lists = [None if one is None else one if one.dim() == 4 else one.unsqueeze(0) for one in pixels]
    counts = [0 if one is None else len(one) for one in lists]
    first = next(one for one in lists if one is not None)
    padded = first.new_zeros(len(lists), max(counts), *first.shape[1:])
    for row, one in zip(padded, lists, strict=True):
        if one is not None:
            row[: len(one)] = one
    return padded, torch.arange(max(counts)) < torch.tensor(counts)[:, None]


def pad_tokens(features: Sequence[np.ndarray | None]) -> tuple[torch.Tensor, torch.Tensor]:
    """Stack the image tokens of B samples, padded with zeros to the longest sample.

    Args:
        features: Tokens (N, width) of each sample; ``None`` without a picture.

    Returns:
        Features (B, N, width) in float32, and a mask with 1 where a token exists (B, N).
    """
    first = next(one for one in features if one is not None)
    lengths = torch.tensor([0 if one is None else len(one) for one in features])
    padded = torch.zeros(len(features), int(lengths.max()), first.shape[1])
    for row, one in zip(padded, features, strict=True):
        if one is not None:
            row[: len(one)] = torch.from_numpy(one.astype(np.float32))
    return padded, (torch.arange(padded.shape[1]) < lengths[:, None]).long()
