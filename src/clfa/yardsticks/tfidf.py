"""The yardstick of words and characters."""

from __future__ import annotations

from typing import ClassVar

from clfa.yardsticks.linear import LinearYardstick


class Tfidf(LinearYardstick):
    """TF-IDF of words and characters (:func:`clfa.yardsticks.blocks.tfidf`) with a linear model."""

    blocks: ClassVar[tuple[str, ...]] = ("terms",)
