"""The yardstick of the vision encoder."""

from __future__ import annotations

from typing import Any, ClassVar

from clfa.yardsticks.base import YardstickData
from clfa.yardsticks.linear import LinearYardstick


class PooledImage(LinearYardstick):
    """Standardised means of the vision encoder's tokens, before training, with a linear model."""

    needs: ClassVar[tuple[str, ...]] = ("image_features",)

    def features(self, data: YardstickData) -> dict[str, Any]:
        """See :meth:`LinearYardstick.features`."""
        return data.pooled_image
