"""Fusion by a gated multimodal unit: a learnt gate weights each feature of each modality."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


class GatedFusion(Fusion):
    """GMU over the masked means ``x_m`` of the streams.

    Source: Arevalo et al., "Gated Multimodal Units for Information Fusion", 2017 (arXiv:1702.01992). All streams:
    ``h_m = tanh(W_m x_m)``. Two streams, its bimodal form: ``z = sigmoid(W_z [x_1; x_2])``,
    ``h = z * h_1 + (1 - z) * h_2``. Otherwise (knowledge, or one modality) its general form:
    ``z_m = sigmoid(W_zm [x_1; x_2; ...])``, ``h = sum_m z_m * h_m``. No biases, as in the equations, so that
    absent knowledge (``x = 0``) adds exactly nothing.

    Simplified: only the unit is used, not the network around it. The projections are before it, a linear classifier is
    after it.

    Args:
        config: ``hidden_size`` and which streams there are.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)
        width = config.hidden_size
        gates = 1 if len(self.names) == 2 else len(self.names)
        self.values = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in self.names})
        self.gates = nn.Linear(len(self.names) * width, gates * width, bias=False)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; one fused token (B, 1, D)."""
        means = stream_means(streams, self.names).hidden
        values = torch.stack(
            [torch.tanh(self.values[name](mean)) for name, mean in zip(self.names, means.unbind(dim=1), strict=True)],
            dim=1,
        )
        gates = torch.sigmoid(self.gates(means.flatten(1))).unflatten(-1, (-1, values.shape[-1]))
        if len(self.names) == 2:
            gates = torch.cat([gates, 1 - gates], dim=1)
        return Stream((gates * values).sum(dim=1, keepdim=True))
