"""Concatenated mean features with one hidden layer, the simplest multi-modal baseline."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class PooledConcat(Baseline):
    """Masked mean of every stream's encoder features, concatenated, through one ReLU layer.

    The usual first baseline of image-text papers (there often with [CLS] instead of the mean); of one modality alone it
    is the usual text-only or image-only baseline.

    Args:
        config: ``hidden_size`` and ``hidden_dropout_prob``.
        widths: Feature width by stream name.
    """

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        self.widths = dict(widths)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(sum(widths.values()), config.hidden_size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`; absent knowledge counts as zeros."""
        first = next(iter(streams.values())).hidden
        parts = [
            masked_mean(streams[name].hidden, streams[name].mask)
            if name in streams
            else first.new_zeros(first.shape[0], width)
            for name, width in self.widths.items()
        ]
        pooled = self.dropout(torch.cat(parts, dim=-1))
        return Stream(torch.relu(self.dense(pooled)).unsqueeze(1))
