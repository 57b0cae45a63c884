"""Pooling by the first token, as in BERT's pooler."""

from __future__ import annotations

import torch
from torch import nn


class ClsPooling(nn.Module):
    """First position through a dense layer and tanh, as in BERT's pooler."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.dense = nn.Linear(hidden_size, hidden_size)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """(B, N, D), (B, N) -> (B, D)."""
        return torch.tanh(self.dense(hidden[:, 0]))
