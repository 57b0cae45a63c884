"""Fusion by concatenation of mean vectors and one layer."""

from __future__ import annotations

from torch import nn
from transformers.activations import ACT2FN

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


class ConcatFusion(Fusion):
    """``h = act(W [mean(H_text); mean(H_image); mean(H_knowledge)] + b)``; zeros for missing knowledge.

    Early fusion by concatenation, the usual baseline of image-text papers. It reads the projected, aligned features;
    the baseline ``pooled_concat`` reads encoder features. The only dropout is that of the classifier after it.

    Args:
        config: ``hidden_size``, ``hidden_act`` and which streams there are.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)
        self.dense = nn.Linear(len(self.names) * config.hidden_size, config.hidden_size)
        self.activation = ACT2FN[config.hidden_act]

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; one fused token (B, 1, D)."""
        means = stream_means(streams, self.names).hidden
        return Stream(self.activation(self.dense(means.flatten(1))).unsqueeze(1))
