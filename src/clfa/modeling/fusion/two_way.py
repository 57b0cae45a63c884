"""Cross-attention both ways: text queries the image and the image queries the text, in every layer."""

from __future__ import annotations

from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream
from clfa.modeling.fusion.concatenation import concatenate
from clfa.modeling.fusion.cross_attention import CrossAttentionLayer


class TwoWayFusion(Fusion):
    """Two stacks side by side, each the other's context; the fused tokens are both streams' behind one another.

    Source: the co-attentional layers of ViLBERT (Lu et al., NeurIPS 2019, arXiv:1908.02265) and LXMERT (Tan and Bansal,
    EMNLP 2019, arXiv:1908.07490): in each layer both streams query the other as it is at the layer's input. Each half
    is a :class:`CrossAttentionLayer` of the paper's own fusion, hence self-attention before cross-attention, where
    ViLBERT and LXMERT have it after; the comparison then differs in the second direction alone. Also simplified: no
    weights shared between the directions (LXMERT shares the cross-attention), and one width for both streams.

    Text queries the knowledge text, too, as in the paper; the image does not. Word-pair graphs act where text queries.
    With one modality it is the paper's fusion of that modality.

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
            # The text's bias is over pairs of text tokens, nothing that an image token could query it with.
            contexts = streams | {name: streams[name]._replace(bias=None) for name in self.names}
            streams = streams | {name: layer[name](streams[name], contexts) for name in self.names}
        return concatenate([streams[name] for name in self.names])
