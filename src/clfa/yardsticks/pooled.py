"""The yardstick of both encoders."""

from __future__ import annotations

from typing import ClassVar

from clfa.yardsticks.linear import LinearYardstick


class Pooled(LinearYardstick):
    """The features of ``pooled_text`` and ``pooled_image`` side by side, with a linear model."""

    blocks: ClassVar[tuple[str, ...]] = ("text", "image")
