"""Fusion by one transformer over the tokens of all modalities."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.concatenation import concatenate
from clfa.modeling.transformer_layer import transformer_layers


class JointFusion(Fusion):
    """Single-stream fusion: ``[H_text + e_text; H_image + e_image; ...]`` through a stack of layers.

    Source: VisualBERT (Li et al. 2019, arXiv:1908.03557) and UNITER (Chen et al., ECCV 2020, arXiv:1909.11740), whose
    learnt segment or type embeddings ``e`` distinguish the modalities. Simplified: no position embeddings are added,
    because the encoders' features contain the positions; there is no LayerNorm and dropout on the sum; nothing is
    pretrained.

    Knowledge tokens are part of the sequence. Masked tokens have weight 0, so that the result for a sample without
    knowledge is the same as without knowledge tokens, up to rounding (sums over more tokens have another order).
    Word-pair graphs are added to the scores from text tokens to text and knowledge tokens.

    Args:
        config: ``num_fusion_layers`` layers; streams by ``config.modalities`` and ``config.use_knowledge``.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)
        self.type_embeddings = nn.Embedding(len(self.names), config.hidden_size)
        self.layers = transformer_layers(config)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; the fused tokens are all streams' (B, T + P + K, D)."""
        ordered = [
            streams[name]._replace(hidden=streams[name].hidden + embedding)
            for name, embedding in zip(self.names, self.type_embeddings.weight, strict=True)
            if name in streams
        ]
        joint = concatenate(ordered)
        bias = self._bias(ordered)
        for layer in self.layers:
            joint = joint._replace(hidden=layer(joint.hidden, joint.hidden, joint.mask, bias))
        return joint

    @staticmethod
    def _bias(ordered: list[Stream]) -> torch.Tensor | None:
        """Combine the streams' biases (B, T, N) into one over all pairs of tokens; text is the first stream."""
        if all(stream.bias is None for stream in ordered):
            return None
        queries, others = ordered[0].hidden.shape[1], sum(stream.hidden.shape[1] for stream in ordered[1:])
        blocks = [
            stream.hidden.new_zeros(stream.hidden.shape[0], queries, stream.hidden.shape[1])
            if stream.bias is None
            else stream.bias.to(stream.hidden.dtype)
            for stream in ordered
        ]
        return nn.functional.pad(torch.cat(blocks, dim=-1), (0, 0, 0, others))
