"""Fusion by the sum of mean vectors."""

from __future__ import annotations

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


class SumFusion(Fusion):
    """``h = sum_m mean(H_m)`` over the existing streams; no parameters, no layers.

    Element-wise addition is a common baseline of papers on fusion, such as Kim et al. 2017 and Arevalo et al. 2017.
    Only the projections bring the modalities into one space.

    Args:
        config: Which streams there are.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; one fused token (B, 1, D)."""
        return Stream(stream_means(streams, self.names).hidden.sum(dim=1, keepdim=True))
