"""Late fusion: a classifier per modality, logits averaged."""

from __future__ import annotations

from typing import ClassVar

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Fusion, Stream, stream_names
from clfa.modeling.fusion.means import stream_means


class LateFusion(Fusion):
    """Masked mean of every stream, kept apart; the model classifies each and averages the logits of those that exist.

    Decision-level fusion by the average rule (Kittler et al., "On Combining Classifiers", TPAMI 1998, there over
    posteriors). Averaged are logits, hence log posteriors up to a constant: a normalised product rule. No parameters
    and no layers of its own; with one modality it is the plain classifier of that modality.

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
