"""Multi-head attention as one post-norm residual sub-layer."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from clfa.modeling.configuration import CLFAConfig


def attention_mask_for(mask: torch.Tensor | None, bias: torch.Tensor | None) -> torch.Tensor | None:
    """Combine a key mask and an additive score bias into a mask for ``scaled_dot_product_attention``.

    Args:
        mask: 1 where a key exists (B, M), or ``None`` when all do.
        bias: Added to the scores before the softmax (B, N, M), for instance a knowledge graph; or ``None``.

    Returns:
        Boolean (B, 1, 1, M), or additive (B, 1, N, M), or ``None``.
    """
    keys = None if mask is None else mask.bool()[:, None, None, :]
    if bias is None:
        return keys
    scores = bias.unsqueeze(1)
    return scores if keys is None else scores.masked_fill(~keys, float("-inf"))


class AttentionSubLayer(nn.Module):
    """``LayerNorm(x + dropout(W_o attention(x, context)))``: self-attention when the context is ``x``.

    Args:
        hidden_size: Width D.
        num_heads: Number of heads.
        attention_dropout: Dropout on the attention weights.
        hidden_dropout: Dropout on the output.
        layer_norm_eps: Epsilon of the LayerNorm.

    Attributes:
        attend: The attention function, called like PyTorch's. An instance may have a faster function for a device;
            :func:`clfa.cpu.speed_up` sets one.
    """

    attend: Callable[..., torch.Tensor] = staticmethod(F.scaled_dot_product_attention)

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        attention_dropout: float = 0.1,
        hidden_dropout: float = 0.1,
        layer_norm_eps: float = 1e-12,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.attention_dropout = attention_dropout
        self.query = nn.Linear(hidden_size, hidden_size)
        self.key = nn.Linear(hidden_size, hidden_size)
        self.value = nn.Linear(hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, hidden_size)
        self.dropout = nn.Dropout(hidden_dropout)
        self.layer_norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)

    @classmethod
    def from_config(cls, config: CLFAConfig) -> AttentionSubLayer:
        """Create the layer with the configuration's sizes and dropouts."""
        return cls(
            config.hidden_size,
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
            config.hidden_dropout_prob,
            config.layer_norm_eps,
        )

    def forward(
        self,
        hidden: torch.Tensor,
        context: torch.Tensor,
        mask: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Attend from ``hidden`` to ``context``.

        Args:
            hidden: Queries (B, N, D).
            context: Keys and values (B, M, D).
            mask: 1 where a context token exists (B, M), or ``None``. A sample without any context token passes the
                sub-layer unchanged, so that missing knowledge has no effect.
            bias: Added to every head's scores before the softmax (B, N, M), or ``None``.

        Returns:
            (B, N, D).
        """
        present = None
        if mask is not None:
            present = mask.bool().any(dim=1)
            # The softmax over no key is NaN; such samples attend to all keys, and the result is discarded below.
            mask = mask.bool() | ~present.unsqueeze(1)
        query, key, value = (
            self._heads(states) for states in (self.query(hidden), self.key(context), self.value(context))
        )
        scores_mask = attention_mask_for(mask, bias)
        dropout = self.attention_dropout if self.training else 0.0
        attended = self.attend(query, key, value, attn_mask=scores_mask, dropout_p=dropout)
        update = self.output(attended.transpose(1, 2).flatten(2))
        result = self.layer_norm(hidden + self.dropout(update))
        return result if present is None else torch.where(present[:, None, None], result, hidden)

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        return states.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
