"""The yardstick of words and characters."""

from __future__ import annotations

from typing import Any, ClassVar

from clfa.yardsticks.base import YardstickData
from clfa.yardsticks.linear import LinearYardstick


class Tfidf(LinearYardstick):
    """TF-IDF of words and characters (:func:`clfa.yardsticks.blocks.tfidf`) with a linear model."""

    needs: ClassVar[tuple[str, ...]] = ("texts",)

    def features(self, data: YardstickData) -> dict[str, Any]:
        """See :meth:`LinearYardstick.features`."""
        return data.tfidf
