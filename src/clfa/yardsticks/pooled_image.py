"""The yardstick of the vision encoder."""

from __future__ import annotations

from typing import ClassVar

from clfa.yardsticks.linear import LinearYardstick


class PooledImage(LinearYardstick):
    """Standardised means of the vision encoder's tokens, before training, with a linear model."""

    blocks: ClassVar[tuple[str, ...]] = ("image",)
