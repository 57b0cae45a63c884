"""Fusion by cross-attention in both directions: text queries the image, the image queries the text."""

from __future__ import annotations

from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream
from clfa.modeling.fusion.concatenation import concatenate
from clfa.modeling.fusion.cross_attention import CrossAttentionLayer


class TwoWayFusion(Fusion):
    """Two parallel stacks, each the other's context; the fused tokens are those of both streams, concatenated.

    Source: the co-attentional layers of ViLBERT (Lu et al., NeurIPS 2019, arXiv:1908.02265) and LXMERT (Tan and Bansal,
    EMNLP 2019, arXiv:1908.07490): in each layer both streams query the other stream's input of that layer. Each half is
    a :class:`CrossAttentionLayer` of the paper's fusion. Therefore self-attention is before cross-attention (in ViLBERT
    and LXMERT it is after), and the only difference to the paper's fusion is the second direction. Also simplified: the
    directions share no weights (LXMERT shares the cross-attention), and both streams have the same width.

    Text also queries the knowledge text, as in the paper; the image does not. Word-pair graphs are used where text
    tokens are queries. With one modality it is the paper's fusion of that modality.

    Args:
        config: ``num_fusion_layers`` layers; streams by ``config.modalities`` and ``config.use_knowledge``.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = config.modalities
        contexts = {name: tuple(other for other in self.names if other != name) for name in self.names}
        if config.use_knowledge:
            contexts["text"] += ("knowledge",)
        self.layers = nn.ModuleList(
            nn.ModuleDict({name: CrossAttentionLayer(config, contexts[name]) for name in self.names})
            for _ in range(config.num_fusion_layers)
        )

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; the fused tokens are the text's, then the image's (B, T + P, D)."""
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleDict)
            # The text's bias is defined for pairs of text tokens, not for image queries.
            contexts = streams | {name: streams[name]._replace(bias=None) for name in self.names}
            streams = streams | {name: layer[name](streams[name], contexts) for name in self.names}
        return concatenate([streams[name] for name in self.names])
