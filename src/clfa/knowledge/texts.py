"""Knowledge texts of samples: every source asked once per content, its answers kept on disk."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from clfa.data.images import image_key, image_name, load_image
from clfa.data.readers.knowledge import SEPARATOR
from clfa.errors import ImageError
from clfa.knowledge import KNOWLEDGE_SOURCES
from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.progress import track
from clfa.store import ABSENT_KEY, FeatureStore, text_key

logger = logging.getLogger(__name__)

# Contents between two writes: what a kill can cost, or two processes at the same contents.
_CHUNK = 16
# Failures that a warning quotes.
_MAX_EXAMPLES = 3


@dataclass
class Failures:
    """Contents that a source could make nothing of.

    Args:
        count: How many.
        examples: The first of them: what, and why.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        """Count one."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(what)


class KnowledgeTexts:
    """The knowledge texts that a recipe asks for.

    Args:
        recipe: The recipe's ``knowledge`` section.
        cache: Cache directory. Texts lie in ``knowledge/SOURCE-FINGERPRINT`` by content key, so that neither another
            run nor another data set with the same pictures computes them again.
        progress: Whether to show progress bars.

    Attributes:
        failures: Of each source, so far.

    Raises:
        RecipeError: When a source is unknown, lacks an option or its package.
        ModelError: When a source's model cannot be loaded.
    """

    def __init__(self, recipe: KnowledgeRecipe, cache: Path, progress: bool = True) -> None:
        self.sources: list[KnowledgeSource] = [
            KNOWLEDGE_SOURCES.get(name).from_recipe(recipe) for name in recipe.sources
        ]
        self.cache, self.progress = cache, progress
        self.failures = {source.name: Failures() for source in self.sources}

    @property
    def reads_images(self) -> bool:
        """Whether any source looks at pictures."""
        return any(source.reads == "image" for source in self.sources)

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> list[str | None]:
        """Texts of N samples.

        Args:
            columns: ``text``, ``image`` and ``knowledge`` of the samples, each of length N, as far as the sources read
                them; a picture or text may be ``None``.

        Returns:
            N texts, those of several sources joined by ``" ; "`` in the recipe's order; ``None`` where there is none.
        """
        parts = [self._texts(source, columns[source.reads]) for source in self.sources]
        return [SEPARATOR.join(filter(None, texts)) or None for texts in zip(*parts, strict=True)]

    def warn(self) -> None:
        """Say what failed so far, if anything did."""
        for name, failures in self.failures.items():
            if failures.count:
                logger.warning(
                    "knowledge source %s: %d pictures gave no text because they failed, for instance %s",
                    name,
                    failures.count,
                    "; ".join(failures.examples),
                )

    def _texts(self, source: KnowledgeSource, contents: Sequence[Any]) -> list[str]:
        if source.fingerprint is None:
            return source.describe(contents)
        store = FeatureStore(self.cache / "knowledge" / source.fingerprint, width=1, dtype="uint8")
        failures = self.failures[source.name]
        keys = [self._key(source, content, failures) for content in contents]
        absent = store.missing(keys)
        with track(len(absent), f"knowledge: {source.name}") if self.progress else nullcontext(_silent) as advance:
            chunks = [absent[start : start + _CHUNK] for start in range(0, len(absent), _CHUNK)]
            # In an order of its own, each process meets little that another one is at.
            Random().shuffle(chunks)
            for chunk in chunks:
                store.refresh()
                todo = [position for position in chunk if keys[position] not in store]
                texts: list[tuple[int, str]] = []
                for first in range(0, len(todo), source.batch_size):
                    texts += self._describe(source, contents, todo[first : first + source.batch_size])
                store.add((keys[position], _bytes(text)) for position, text in texts)
                advance(len(chunk))
        return [_stored(store, key) for key in keys]

    def _key(self, source: KnowledgeSource, content: Any, failures: Failures) -> bytes:
        """Content key, also of what is absent or cannot be read."""
        if content is None or content == "":
            return ABSENT_KEY
        if source.reads != "image":
            return text_key(content)
        try:
            return image_key(content)
        except ImageError as error:
            failures.add(str(error))
            return ABSENT_KEY

    def _describe(self, source: KnowledgeSource, contents: Sequence[Any], batch: list[int]) -> list[tuple[int, str]]:
        """Texts of the contents that the source can read; the others are counted."""
        failures = self.failures[source.name]
        loaded: dict[int, Any] = {}
        for position in batch:
            try:
                content = contents[position]
                loaded[position] = load_image(content) if source.reads == "image" else content
            except ImageError as error:
                failures.add(str(error))
        try:
            return list(zip(loaded, source.describe(list(loaded.values())) if loaded else [], strict=True))
        except Exception as error:  # Engines raise anything on odd pictures.
            if len(loaded) == 1:
                failures.add(f"{image_name(contents[next(iter(loaded))])}: {type(error).__name__}: {error}")
                return []
            return [pair for position in loaded for pair in self._describe(source, contents, [position])]


def _silent(count: int) -> None:
    del count


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "replace"), np.uint8)[:, None]


def _stored(store: FeatureStore, key: bytes) -> str:
    return store[key].tobytes().decode("utf-8") if key in store else ""
