"""Late fusion: one classifier per modality, with averaged logits."""

from __future__ import annotations

from typing import ClassVar

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


class LateFusion(Fusion):
    """Masked mean of every stream; the model classifies each mean and averages the logits of the existing streams.

    Decision-level fusion by the average rule (Kittler et al., "On Combining Classifiers", TPAMI 1998, for posteriors).
    Here logits are averaged, which are log posteriors up to a constant; this is a normalised product rule. The fusion
    has no parameters. With one modality the model is the plain classifier of that modality.

    Args:
        config: Which streams there are.
    """

    late: ClassVar[bool] = True

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__(config)
        self.names = stream_names(config)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; one token per stream (B, M, D), masked where a sample lacks the stream."""
        return stream_means(streams, self.names)
