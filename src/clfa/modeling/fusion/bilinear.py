"""Fusion by low-rank bilinear pooling."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


class BilinearFusion(Fusion):
    """MLB over the masked means ``x_m``: ``f = P^T (tanh(U_text^T x_text) * tanh(U_image^T x_image)) + b``.

    Source: Kim et al., "Hadamard Product for Low-rank Bilinear Pooling", ICLR 2017 (arXiv:1610.04325), the form with a
    tanh before the Hadamard product. MLB rather than LMF (Liu et al., ACL 2018): its one size, the width ``d`` of the
    product, is ``hidden_size``, while LMF has a rank to search.

    Simplified: masked means replace MLB's attention over image regions. Beyond the paper: knowledge is a third factor
    of the product. The factor of a stream that a sample does not have is 1, so that a single modality gives
    ``P^T tanh(U^T x) + b``.

    Args:
        config: ``hidden_size`` and which streams there are.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)
        width = config.hidden_size
        self.factors = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in self.names})
        self.output = nn.Linear(width, width)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; one fused token (B, 1, D)."""
        means, present, _ = stream_means(streams, self.names)
        assert present is not None
        product = torch.ones_like(means[:, 0])
        for position, name in enumerate(self.names):
            factor = torch.tanh(self.factors[name](means[:, position]))
            product = product * torch.where(present[:, position, None], factor, 1.0)
        return Stream(self.output(product).unsqueeze(1))
