"""The yardstick of both encoders, words and characters."""

from __future__ import annotations

from typing import Any, ClassVar

from clfa.yardsticks.base import YardstickData
from clfa.yardsticks.blocks import joined
from clfa.yardsticks.linear import LinearYardstick


class PooledTfidf(LinearYardstick):
    """The features of ``pooled`` and ``tfidf`` side by side, with a linear model."""

    needs: ClassVar[tuple[str, ...]] = ("texts", "text_features", "image_features")

    def features(self, data: YardstickData) -> dict[str, Any]:
        """See :meth:`LinearYardstick.features`."""
        return joined([data.pooled_text, data.pooled_image, data.tfidf])
