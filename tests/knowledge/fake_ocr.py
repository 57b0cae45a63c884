from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe


class FakeOCR(KnowledgeSource):
    """Says how red a picture is; fails on 13, and says nothing of 0."""

    name = "ocr"
    reads = "image"
    fingerprint = "fake-1"
    batch_size = 2
    seen: ClassVar[list[int]] = []

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> FakeOCR:
        return cls()

    def describe(self, contents: Sequence[Any]) -> list[str]:
        reds = [picture.getpixel((0, 0))[0] for picture in contents]
        if 13 in reds:
            raise RuntimeError("unlucky")
        if 66 in reds:
            raise KeyboardInterrupt
        FakeOCR.seen += reds
        return [f"rot ñ {red}" if red else "" for red in reds]
