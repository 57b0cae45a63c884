"""Knowledge text from a column of the data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe


class ColumnSource(KnowledgeSource):
    """The schema's ``knowledge`` column as the reader filled it (attribute words or OCR of MMSD, a table's column)."""

    name = "column"
    reads = "knowledge"

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> ColumnSource:
        """See :meth:`KnowledgeSource.from_recipe`."""
        return cls()

    def describe(self, contents: Sequence[Any]) -> list[str]:
        """Return the texts unchanged, ``""`` for ``None``."""
        return [content or "" for content in contents]
