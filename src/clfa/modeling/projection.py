"""Projection of one encoder's token features into the shared space."""

from __future__ import annotations

import torch
from torch import nn


class ProjectionMLP(nn.Module):
    """Two linear layers with ReLU between (CLFA, section 3.2; 768 -> 1536 -> 512 in the paper).

    Args:
        in_features: Width of the encoder.
        hidden_features: Inner width.
        out_features: Width of the shared space.
        dropout: Dropout on the input features; none in the paper, useful with frozen encoders.
        layer_norm: LayerNorm on the input features; none in the paper, useful if the encoder does not end with a norm.
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: int,
        out_features: int,
        dropout: float = 0.0,
        layer_norm: bool = False,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(in_features) if layer_norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.fc1 = nn.Linear(in_features, hidden_features)
        self.fc2 = nn.Linear(hidden_features, out_features)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(..., ``in_features``) -> (..., ``out_features``)."""
        return self.fc2(torch.relu(self.fc1(self.dropout(self.norm(features)))))
