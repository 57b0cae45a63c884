"""Pooling by the masked mean over tokens."""

from __future__ import annotations

import torch
from torch import nn


def masked_mean(hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the mean over unmasked tokens.

    Args:
        hidden: Token features (B, N, D).
        mask: 1 where a token exists (B, N), or ``None`` when all do.

    Returns:
        (B, D); zeros for a sample without any token.
    """
    if mask is None:
        return hidden.mean(dim=1)
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1.0)


class MeanPooling(nn.Module):
    """Masked mean over positions, the paper's default."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, N, D), (B, N) -> (B, D)."""
        return masked_mean(hidden, mask)
