"""The paper's fusion with swapped modalities: the image queries the text, then the knowledge text."""

from __future__ import annotations

from typing import ClassVar

from clfa.modeling.fusion.base import Stream
from clfa.modeling.fusion.cross_attention import CrossAttentionFusion


class ImageQueriesTextFusion(CrossAttentionFusion):
    """:class:`CrossAttentionFusion` with the image as query stream, or the text in a text-only model.

    Source: CLFA (arXiv:2403.06355), section 3.4, with text and image swapped. Word-pair graphs are scores from text
    tokens to text or knowledge tokens. Text tokens are not queries here, so that graphs only have an effect in a
    text-only model.
    """

    query_order: ClassVar[tuple[str, ...]] = ("image", "text")

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Fusion.forward`; the fused tokens are the image's (B, P, D)."""
        if self.query_name == "image":
            streams = {name: stream._replace(bias=None) for name, stream in streams.items()}
        return super().forward(streams)
