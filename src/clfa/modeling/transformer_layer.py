"""A transformer layer for self-attention or cross-attention."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.attention import AttentionSubLayer
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.feed_forward import FeedForwardSubLayer


class TransformerLayer(nn.Module):
    """``Z = LN(H + MultiHead(H, C, C))``, ``LN(Z + FFN(Z))`` (Vaswani et al. 2017): self-attention when C is H.

    Args:
        config: ``hidden_size``, ``num_attention_heads``, ``intermediate_size``, ``hidden_act`` and dropouts.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()
        self.attention = AttentionSubLayer.from_config(config)
        self.feed_forward = FeedForwardSubLayer.from_config(config)

    def forward(
        self,
        hidden: torch.Tensor,
        context: torch.Tensor,
        mask: torch.Tensor | None,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Queries (B, N, D), context (B, M, D), its mask (B, M) and score bias (B, N, M) -> (B, N, D).

        The attention does not change a sample whose context is completely masked.
        """
        return self.feed_forward(self.attention(hidden, context, mask, bias))


def transformer_layers(config: CLFAConfig) -> nn.ModuleList:
    """Create ``num_fusion_layers`` layers."""
    return nn.ModuleList(TransformerLayer(config) for _ in range(config.num_fusion_layers))
