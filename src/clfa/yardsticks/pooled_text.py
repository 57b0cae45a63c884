"""The yardstick of the text encoder."""

from __future__ import annotations

from typing import ClassVar

from clfa.yardsticks.linear import LinearYardstick


class PooledText(LinearYardstick):
    """Standardised means of the text encoder's tokens, before training, with a linear model."""

    blocks: ClassVar[tuple[str, ...]] = ("text",)
