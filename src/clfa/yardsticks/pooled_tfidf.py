"""The yardstick of both encoders, words and characters."""

from __future__ import annotations

from typing import ClassVar

from clfa.yardsticks.linear import LinearYardstick


class PooledTfidf(LinearYardstick):
    """The features of ``pooled`` and ``tfidf`` side by side, with a linear model."""

    blocks: ClassVar[tuple[str, ...]] = ("text", "image", "terms")
