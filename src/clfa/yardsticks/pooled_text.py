"""The yardstick of the text encoder."""

from __future__ import annotations

from typing import Any, ClassVar

from clfa.yardsticks.base import YardstickData
from clfa.yardsticks.linear import LinearYardstick


class PooledText(LinearYardstick):
    """Standardised means of the text encoder's tokens, before training, with a linear model."""

    needs: ClassVar[tuple[str, ...]] = ("text_features",)

    def features(self, data: YardstickData) -> dict[str, Any]:
        """See :meth:`LinearYardstick.features`."""
        return data.pooled_text
