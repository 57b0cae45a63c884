"""The interface of guides: frozen embedding functions for texts and images into one space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from clfa.cpu import busy
from clfa.data.images import pictures_key
from clfa.data.single_pictures import single_pictures
from clfa.errors import ModelError, RecipeError
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.nearest import did_you_mean
from clfa.pretrained import cache_dir
from clfa.store import ABSENT_KEY, FeatureStore, mean_row, text_key

# Upper bound of numbers of samples in a batch.
_MOST = 1_000_000


@dataclass
class Pairs:
    """Image-text pairs with their content keys.

    Args:
        texts: N texts; ``""`` where a pair has no text.
        images: N images in the schema's form; ``None`` where a pair has no image, a list where it has several.
        text_keys: Content keys of the texts; computed when not given.
        image_keys: Content keys of the images; computed when not given.
    """

    texts: list[str]
    images: list[Any]
    text_keys: list[bytes] = field(default_factory=list)
    image_keys: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text_keys = self.text_keys or [text_key(text) if text else ABSENT_KEY for text in self.texts]
        self.image_keys = self.image_keys or [pictures_key(image) for image in self.images]

    def __len__(self) -> int:
        return len(self.texts)

    def complete(self) -> Pairs:
        """Return the pairs that have both a text and an image."""
        positions = [i for i, keys in enumerate(zip(self.text_keys, self.image_keys, strict=True)) if all(keys)]
        return self if len(positions) == len(self) else self.select(positions)

    def select(self, positions: Iterable[int]) -> Pairs:
        """Return the pairs at the given positions, in their order."""
        chosen = list(positions)
        columns: tuple[list[Any], ...] = (self.texts, self.images, self.text_keys, self.image_keys)
        return Pairs(*([column[i] for i in chosen] for column in columns))

    def __add__(self, other: Pairs) -> Pairs:
        return Pairs(
            self.texts + other.texts,
            self.images + other.images,
            self.text_keys + other.text_keys,
            self.image_keys + other.image_keys,
        )


@dataclass
class GuideContext:
    """What a run provides when it creates its guide.

    Args:
        cache: Cache directory.
        text_encoder: Directory or id of the student's text encoder before training.
        vision_encoder: Directory or id of the student's vision encoder before training.
        text_features: The student's text encoder before training, frozen, with its feature cache.
        image_features: The student's vision encoder before training, frozen, with its feature cache.
        pairs: Pairs that a guide may be fitted on: training and unlabelled ones, never validation or test.
        other_pairs: Further pairs to fit it on, in chunks, with both a text and an image. Texts and images of a chunk
            are in memory only while it is used.
        seed: Seed of all random numbers.
    """

    cache: Path
    text_encoder: str | None = None
    vision_encoder: str | None = None
    text_features: FrozenEncoder | None = None
    image_features: FrozenEncoder | None = None
    pairs: Pairs | None = None
    other_pairs: Iterable[Pairs] | None = None
    seed: int = 0


def check_options(guide: str, options: Mapping[str, Any], known: Sequence[str]) -> None:
    """Check the names of a recipe's guide options, and the value of ``batch_size``.

    Args:
        guide: Name of the guide.
        options: The options in the recipe.
        known: Names of the options that the guide accepts.

    Raises:
        RecipeError: When an option is unknown, with the nearest known one, or ``batch_size`` is none.
    """
    for option in sorted(set(options) - set(known)):
        hint = did_you_mean(option, known)
        raise RecipeError(f"unknown key 'guide.{option}'; the {guide} guide takes: {', '.join(known)}.{hint}")
    size = options.get("batch_size", 1)
    if "batch_size" in known and (type(size) is not int or not 1 <= size <= _MOST):
        raise RecipeError(f"guide.batch_size is {size!r}; give a whole number from 1 to {_MOST:,}.")


class Guide(ABC):
    """A frozen teacher: embeds texts and images in one space of width ``dim``, without gradients.

    Subclasses provide :meth:`embed_texts`, :meth:`embed_images`, ``dim`` and ``fingerprint``. :meth:`embed_pairs`
    computes each embedding once per content and caches it on disk under the guide's fingerprint.

    Attributes:
        is_fitted: Whether the guide is fitted on pairs, and therefore on those of ``guide.pairs``, too.
    """

    name: ClassVar[str]
    is_fitted: ClassVar[bool] = False
    dim: int
    fingerprint: str

    @classmethod
    @abstractmethod
    def from_context(cls, context: GuideContext, **options: Any) -> Guide:
        """Create the guide for a run: load it, or fit it on ``context.pairs``.

        Args:
            context: What the run provides.
            options: The guide's options in the recipe.
        """

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Embed N texts -> (N, ``dim``) float32."""

    @abstractmethod
    def embed_images(self, images: Sequence[Any]) -> np.ndarray:
        """Embed N images in the schema's form -> (N, ``dim``) float32."""

    def save(self, directory: Path) -> None:  # noqa: B027 - optional on purpose
        """Write what is needed to use the guide again. Does nothing for guides that are loaded by an id.

        Args:
            directory: Directory to write to; created if it does not exist.
        """

    def embed_pairs(self, pairs: Pairs, cache: Path | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Embed the texts and images of pairs; cached embeddings are read, not computed again.

        Args:
            pairs: N pairs.
            cache: Cache directory; :func:`clfa.pretrained.cache_dir` when not given.

        Returns:
            Text embeddings and image embeddings, each (N, ``dim``) float32; zeros where the text or image is missing,
            the mean of the images' embeddings where a pair has several.
        """
        cache = cache or cache_dir()
        return (
            self.embed_cached("text", pairs.texts, pairs.text_keys, cache),
            self.embed_cached("image", pairs.images, pairs.image_keys, cache),
        )

    def embed_cached(self, side: str, contents: Sequence[Any], keys: Sequence[bytes], cache: Path) -> np.ndarray:
        """Embed texts or images; cached embeddings are read, not computed again.

        Args:
            side: ``"text"`` or ``"image"``.
            contents: N texts or images.
            keys: Their content keys.
            cache: Cache directory.

        Returns:
            (N, ``dim``) float32; zeros where the content is missing, the mean over the images of a list.
        """
        store = self.ensure_embedded(side, contents, keys, cache)
        absent_row = np.zeros((1, self.dim), np.float32)
        rows = [absent_row if key == ABSENT_KEY else mean_row(store, key) for key in keys]
        return np.concatenate(rows) if rows else np.empty((0, self.dim), np.float32)

    def ensure_embedded(self, side: str, contents: Sequence[Any], keys: Sequence[bytes], cache: Path) -> FeatureStore:
        """Compute and cache the embeddings that are not cached yet; see :meth:`embed_cached`.

        Returns:
            The cache of this side, one row of width ``dim`` by content key.
        """
        embed = self.embed_texts if side == "text" else self.embed_images
        store = FeatureStore(cache / "guides" / f"{self.name}-{self.fingerprint}" / side, self.dim, "float32")
        singles, own_keys = single_pictures(contents, keys)
        absent = store.missing(own_keys)
        if absent:
            with busy(), store.writer() as write:
                for start in range(0, len(absent), 1024):
                    chunk = absent[start : start + 1024]
                    rows = self._checked(side, embed([singles[i] for i in chunk]), len(chunk))
                    for position, row in zip(chunk, rows, strict=True):
                        write(own_keys[position], row[None])
        return store

    def _checked(self, side: str, embedded: Any, count: int) -> np.ndarray:
        """Return what :meth:`embed_texts` or :meth:`embed_images` returned, before it is kept for all later runs."""
        rows = np.asarray(embedded, np.float32)
        if rows.shape != (count, self.dim):
            raise ModelError(
                f"embed_{side}s of the guide {self.name!r} returned an array of shape {rows.shape} for {count} "
                f"{side}s; it has to return {(count, self.dim)}, by its dim."
            )
        if not np.isfinite(rows).all():
            wrong = int((~np.isfinite(rows).all(axis=1)).sum())
            raise ModelError(
                f"embed_{side}s of the guide {self.name!r} returned NaN or infinite numbers for {wrong} of {count} "
                f"{side}s; it has to return finite ones, and zeros where there is nothing to embed."
            )
        return rows
