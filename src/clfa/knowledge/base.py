"""The interface every source of knowledge text shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from clfa.knowledge.recipe import KnowledgeRecipe


class KnowledgeSource(ABC):
    """What a post is told about itself: one text per sample, empty where there is nothing to tell.

    Attributes:
        name: As in recipes.
        reads: The schema's column that the text is made from.
        fingerprint: Identifies everything but the content that the text depends on; caches are named after it. ``None``
            for sources so cheap that keeping their texts costs more than making them.
        batch_size: Samples per call of :meth:`describe`.
    """

    name: ClassVar[str]
    reads: ClassVar[Literal["knowledge", "text", "image"]]
    fingerprint: str | None = None
    batch_size: int = 1

    @classmethod
    @abstractmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> KnowledgeSource:
        """The source as a recipe asks for it.

        Raises:
            RecipeError: When an option is missing or an optional package is not installed.
            ModelError: When a model cannot be loaded.
        """

    @abstractmethod
    def describe(self, contents: Sequence[Any]) -> list[str]:
        """Texts of B contents.

        Args:
            contents: Values of the column that the source reads; pictures are loaded, upright and RGB.

        Returns:
            B texts.
        """
