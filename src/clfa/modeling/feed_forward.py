"""Position-wise feed-forward as one post-norm residual sub-layer."""

from __future__ import annotations

import torch
from torch import nn
from transformers.activations import ACT2FN

from clfa.modeling.configuration import CLFAConfig


class FeedForwardSubLayer(nn.Module):
    """``LayerNorm(x + dropout(W_2 act(W_1 x)))``; 512 -> 2048 -> 512 with GELU (erf form) in the paper.

    Args:
        hidden_size: Width D.
        intermediate_size: Inner width.
        hidden_act: Name in Transformers' ``ACT2FN``.
        hidden_dropout: Dropout on the output.
        layer_norm_eps: Epsilon of the LayerNorm.
    """

    def __init__(
        self,
        hidden_size: int,
        intermediate_size: int,
        hidden_act: str = "gelu",
        hidden_dropout: float = 0.1,
        layer_norm_eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.fc1 = nn.Linear(hidden_size, intermediate_size)
        self.activation = ACT2FN[hidden_act]
        self.fc2 = nn.Linear(intermediate_size, hidden_size)
        self.dropout = nn.Dropout(hidden_dropout)
        self.layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)

    @classmethod
    def from_config(cls, config: CLFAConfig) -> FeedForwardSubLayer:
        """Create the layer with the configuration's sizes and dropouts."""
        return cls(
            config.hidden_size,
            config.intermediate_size,
            config.hidden_act,
            config.hidden_dropout_prob,
            config.layer_norm_eps,
        )

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """(B, N, D) -> (B, N, D)."""
        return self.layer_norm(hidden + self.dropout(self.fc2(self.activation(self.fc1(hidden)))))
