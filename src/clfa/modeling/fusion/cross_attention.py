"""The paper's fusion by cross-attention: text queries the image, then the knowledge text."""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from clfa.modeling.attention import AttentionSubLayer
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.feed_forward import FeedForwardSubLayer
from clfa.modeling.fusion.base import Fusion, Stream


class CrossAttentionLayer(nn.Module):
    """Self-attention over the query stream, one cross-attention per context stream, feed-forward.

    All sub-layers are post-norm with residual (CLFA, section 3.4; the authors' ``BertCrossAttentionLayer``).

    Args:
        config: Sizes and dropouts.
        contexts: Names of the context streams, in the order in which they are queried.
    """

    def __init__(self, config: CLFAConfig, contexts: tuple[str, ...]) -> None:
        super().__init__()
        self.self_attention = AttentionSubLayer.from_config(config)
        self.cross_attention = nn.ModuleDict({name: AttentionSubLayer.from_config(config) for name in contexts})
        self.feed_forward = FeedForwardSubLayer.from_config(config)

    def forward(self, query: Stream, contexts: dict[str, Stream]) -> Stream:
        """Apply the layer; the sub-layers of contexts that the batch does not have are skipped."""
        hidden = self.self_attention(query.hidden, query.hidden, query.mask, query.bias)
        for name, attend in self.cross_attention.items():
            if name in contexts:
                context = contexts[name]
                hidden = attend(hidden, context.hidden, context.mask, context.bias)
        return query._replace(hidden=self.feed_forward(hidden))


class CrossAttentionFusion(Fusion):
    """A stack of :class:`CrossAttentionLayer`; text is the query stream, or the image in an image-only model.

    Source: CLFA (arXiv:2403.06355), section 3.4, and the authors' public code (``BertCrossEncoder``).

    Args:
        config: ``num_fusion_layers`` layers; streams by ``config.modalities`` and ``config.use_knowledge``.

    Attributes:
        query_order: The first of these modalities that the model has is the query stream.
    """

    query_order: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.query_name, *others = (name for name in self.query_order if name in config.modalities)
        contexts = (*others, "knowledge") if config.use_knowledge else tuple(others)
        self.layers = nn.ModuleList(CrossAttentionLayer(config, contexts) for _ in range(config.num_fusion_layers))

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; the fused tokens are the query stream's (B, N, D)."""
        query = streams[self.query_name]
        contexts = {name: stream for name, stream in streams.items() if name != self.query_name}
        for layer in self.layers:
            query = layer(query, contexts)
        return query
