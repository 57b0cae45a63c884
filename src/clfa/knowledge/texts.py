"""Knowledge texts of samples, computed once per content and cached on disk."""

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
from clfa.tables.pictures import pictures_of

logger = logging.getLogger(__name__)

# Contents between two writes: the largest loss when the process is killed or when two processes do the same contents.
_CHUNK = 16
# Number of failures that a warning quotes.
_MAX_EXAMPLES = 3


@dataclass
class Failures:
    """Contents for which a source failed.

    Args:
        count: Number of failures.
        examples: Messages of the first failures.
    """

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        """Count a failure; keep its message if it is one of the first."""
        self.count += 1
        if len(self.examples) < _MAX_EXAMPLES:
            self.examples.append(what)


class KnowledgeTexts:
    """The knowledge texts of a recipe's sources.

    Args:
        recipe: The recipe's ``knowledge`` section.
        cache: Cache directory. Texts are stored in ``knowledge/SOURCE-FINGERPRINT`` by content key; other runs and
            other data sets with the same images use them again.
        progress: Whether to show progress bars.

    Attributes:
        failures: Failures so far, by source.

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
        """Whether any source reads images."""
        return any(source.reads == "image" for source in self.sources)

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> list[str | None]:
        """Compute the texts of N samples.

        Args:
            columns: Those of ``text``, ``image`` and ``knowledge`` that the sources read, each of length N; values may
                be ``None``, images also lists; the texts of several images are joined like those of several sources.

        Returns:
            N texts; the texts of several sources are joined by ``" ; "`` in the recipe's order. ``None`` if no source
            gives a text.
        """
        parts = [self._texts(source, columns[source.reads]) for source in self.sources]
        return [SEPARATOR.join(filter(None, texts)) or None for texts in zip(*parts, strict=True)]

    def warn(self) -> None:
        """Log a warning about the failures so far, if there are any."""
        for name, failures in self.failures.items():
            if failures.count:
                logger.warning(
                    "knowledge source %s failed for %d images, which have no text; for instance %s",
                    name,
                    failures.count,
                    "; ".join(failures.examples),
                )

    def _texts(self, source: KnowledgeSource, contents: Sequence[Any]) -> list[str]:
        if source.fingerprint is None:
            return source.describe(contents)
        store = FeatureStore(self.cache / "knowledge" / source.fingerprint, width=1, dtype="uint8")
        failures = self.failures[source.name]
        of_samples = [[self._key(source, one, failures) for one in _parts(source, content)] for content in contents]
        keys = [key for own in of_samples for key in own]
        # Sample and number of each key: images are read one at a time, when they are needed.
        places = [(sample, number) for sample, own in enumerate(of_samples) for number in range(len(own))]
        absent = store.missing(keys)
        with track(len(absent), f"knowledge: {source.name}") if self.progress else nullcontext(_silent) as advance:
            chunks = [absent[start : start + _CHUNK] for start in range(0, len(absent), _CHUNK)]
            # Each process uses its own order, so that two processes seldom work on the same contents.
            Random().shuffle(chunks)
            for chunk in chunks:
                store.refresh()
                todo = [position for position in chunk if keys[position] not in store]
                texts: list[tuple[int, str]] = []
                for first in range(0, len(todo), source.batch_size):
                    texts += self._describe(source, contents, places, todo[first : first + source.batch_size])
                store.add((keys[position], _bytes(text)) for position, text in texts)
                advance(len(chunk))
        return [SEPARATOR.join(filter(None, (_stored(store, key) for key in own))) for own in of_samples]

    def _key(self, source: KnowledgeSource, content: Any, failures: Failures) -> bytes:
        """Return the content key; ``ABSENT_KEY`` for missing and unreadable contents."""
        if content is None or (isinstance(content, str) and not content):
            return ABSENT_KEY
        if source.reads != "image":
            return text_key(content)
        try:
            return image_key(content)
        except ImageError as error:
            failures.add(str(error))
            return ABSENT_KEY

    def _describe(
        self, source: KnowledgeSource, contents: Sequence[Any], places: Sequence[tuple[int, int]], batch: list[int]
    ) -> list[tuple[int, str]]:
        """Return position and text of the contents that the source can process; count the others as failures."""
        failures = self.failures[source.name]
        loaded: dict[int, Any] = {}
        for position in batch:
            try:
                content = _at(source, contents, places[position])
                loaded[position] = load_image(content) if source.reads == "image" else content
            except ImageError as error:
                failures.add(str(error))
        try:
            return list(zip(loaded, source.describe(list(loaded.values())) if loaded else [], strict=True))
        except Exception as error:  # Engines raise errors of any kind on unusual images.
            if len(loaded) == 1:
                failures.add(
                    f"{image_name(_at(source, contents, places[next(iter(loaded))]))}: {type(error).__name__}: {error}"
                )
                return []
            return [pair for position in loaded for pair in self._describe(source, contents, places, [position])]


def _parts(source: KnowledgeSource, content: Any) -> list[Any]:
    """Return what a source describes of one sample: the text, or each image."""
    return pictures_of(content) if source.reads == "image" else [content]


def _at(source: KnowledgeSource, contents: Sequence[Any], place: tuple[int, int]) -> Any:
    sample, number = place
    return _parts(source, contents[sample])[number]


def _silent(count: int) -> None:
    del count


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-8", "replace"), np.uint8)[:, None]


def _stored(store: FeatureStore, key: bytes) -> str:
    return store[key].tobytes().decode("utf-8") if key in store else ""
