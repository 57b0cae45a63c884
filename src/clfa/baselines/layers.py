"""A transformer layer whose queries may read other tokens."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.attention import AttentionSubLayer
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.feed_forward import FeedForwardSubLayer


class ContextLayer(nn.Module):
    """``Z = LN(H + MultiHead(H, C, C))``, ``LN(Z + FFN(Z))`` (Vaswani et al. 2017): self-attention when C is H.

    Args:
        config: ``hidden_size``, ``num_attention_heads``, ``intermediate_size``, ``hidden_act`` and dropouts.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()
        self.attention = AttentionSubLayer(
            config.hidden_size,
            config.num_attention_heads,
            config.attention_probs_dropout_prob,
            config.hidden_dropout_prob,
            config.layer_norm_eps,
        )
        self.feed_forward = FeedForwardSubLayer(
            config.hidden_size,
            config.intermediate_size,
            config.hidden_act,
            config.hidden_dropout_prob,
            config.layer_norm_eps,
        )

    def forward(self, hidden: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Queries (B, N, D), context (B, M, D) and its mask (B, M) -> (B, N, D).

        The attention leaves a sample whose context is wholly masked as it is.
        """
        return self.feed_forward(self.attention(hidden, context, mask))


def context_layers(config: CLFAConfig) -> nn.ModuleList:
    """``num_fusion_layers`` of them."""
    return nn.ModuleList(ContextLayer(config) for _ in range(config.num_fusion_layers))
