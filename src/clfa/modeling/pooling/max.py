"""The maximum over tokens."""

from __future__ import annotations

import torch
from torch import nn


class MaxPooling(nn.Module):
    """Maximum over the positions that exist.

    The authors' code multiplies by the mask instead, so that a padded sample can never go below 0; here padding
    never wins.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, N, D), (B, N) -> (B, D)."""
        if mask is not None:
            hidden = hidden.masked_fill(~mask.bool().unsqueeze(-1), torch.finfo(hidden.dtype).min)
        return hidden.amax(dim=1)
