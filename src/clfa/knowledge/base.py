"""The interface of knowledge sources."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from clfa.knowledge.recipe import KnowledgeRecipe


class KnowledgeSource(ABC):
    """A source of extra text about posts: one text per sample, empty if there is none.

    Attributes:
        name: Name in recipes.
        reads: The schema's column that the text is computed from.
        fingerprint: Identifies everything that the text depends on besides the content; names the cache folder.
            ``None`` for sources whose texts are faster to compute than to cache.
        batch_size: Samples per call of :meth:`describe`.
    """

    name: ClassVar[str]
    reads: ClassVar[Literal["knowledge", "text", "image"]]
    fingerprint: str | None = None
    batch_size: int = 1

    @classmethod
    @abstractmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> KnowledgeSource:
        """Create the source for a recipe.

        Raises:
            RecipeError: When an option is missing or an optional package is not installed.
            ModelError: When a model cannot be loaded.
        """

    @abstractmethod
    def describe(self, contents: Sequence[Any]) -> list[str]:
        """Compute the texts of B contents.

        Args:
            contents: Values of the column that the source reads; images are loaded, upright and RGB.

        Returns:
            B texts.
        """
