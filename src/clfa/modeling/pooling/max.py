"""Pooling by the masked maximum over tokens."""

from __future__ import annotations

import torch
from torch import nn


class MaxPooling(nn.Module):
    """Maximum over unmasked positions.

    The authors' code multiplies by the mask instead, so that the result for a padded sample is never below 0. Here
    padding has no effect.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, N, D), (B, N) -> (B, D)."""
        if mask is not None:
            hidden = hidden.masked_fill(~mask.bool().unsqueeze(-1), torch.finfo(hidden.dtype).min)
        return hidden.amax(dim=1)
