"""Encoders of a run, with their processor and feature caches."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from datasets import Dataset

from clfa.data.images import pictures_key
from clfa.devices import best_device
from clfa.modeling.encoders import load_encoder, most_tokens
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.pretrained import cache_dir
from clfa.processing.processor import CLFAProcessor
from clfa.recipe import ModelRecipe, Recipe
from clfa.store import ABSENT_KEY, text_key

logger = logging.getLogger(__name__)


@dataclass
class Keys:
    """Content keys of the samples of a split; empty for a modality without an encoder.

    The key of several images is their keys joined; see :func:`clfa.store.single_keys`.
    """

    text: list[bytes] = field(default_factory=list)
    image: list[bytes] = field(default_factory=list)


class Encoders:
    """Both encoders before training, on the best device, with their processor and feature caches.

    Args:
        recipe: The recipe's model section.
        text_encoder: A loaded text encoder; ``None`` in an image-only run.
        vision_encoder: A loaded vision encoder; ``None`` in a text-only run.
        processor: Tokenizer and image processor.
        cache: Cache directory.

    Attributes:
        text: The text encoder, frozen, with its feature caches.
        image: The same of the vision encoder.
    """

    def __init__(
        self,
        recipe: ModelRecipe,
        text_encoder: Any,
        vision_encoder: Any,
        processor: CLFAProcessor,
        cache: Path | None = None,
    ) -> None:
        self.text_encoder, self.vision_encoder = text_encoder, vision_encoder
        self.processor = processor
        self.cache = cache or cache_dir()
        self.text = self._frozen("text", text_encoder)
        self.image = self._frozen("image", vision_encoder, grid_size=recipe.image_grid_size)
        self._keys: dict[int, tuple[Dataset, Keys]] = {}

    @cached_property
    def knowledge(self) -> FrozenEncoder | None:
        """Return the text encoder for knowledge texts, which have their own maximum length."""
        return self._frozen("text", self.text_encoder, max_length=self.processor.knowledge_max_length)

    def keys(self, split: Dataset) -> Keys:
        """Return the content keys of a split for each modality with an encoder. Compute them once."""
        if id(split) not in self._keys:
            keys = Keys()
            if self.text is not None:
                keys.text = [text_key(text) if text else ABSENT_KEY for text in split["text"][:]]
            if self.image is not None:
                keys.image = [pictures_key(image) for image in split["image"][:]]
            # Keep the split alive, so that its id() is not reused.
            self._keys[id(split)] = split, keys
        return self._keys[id(split)][1]

    def _frozen(
        self, modality: str, encoder: Any, grid_size: int | None = None, max_length: int | None = None
    ) -> FrozenEncoder | None:
        if encoder is None:
            return None
        encoder = encoder.to(best_device())
        return FrozenEncoder(modality, encoder, self.processor, self.cache, grid_size=grid_size, max_length=max_length)


def load_encoders(recipe: Recipe, cache: Path | None = None) -> Encoders:
    """Load the encoders and the processor that a recipe names.

    Texts are cut where the text encoder has no more positions, with a warning if the recipe allows longer ones.

    Args:
        recipe: Its model and knowledge sections.
        cache: Cache directory.

    Raises:
        ModelError: If an encoder cannot be loaded.
    """
    model = recipe.model
    processor = CLFAProcessor.from_encoders(
        model.text_encoder,
        model.vision_encoder,
        max_length=model.max_length,
        knowledge_max_length=model.knowledge_max_length,
        knowledge=recipe.knowledge if model.use_knowledge else None,
        max_images=recipe.data.max_images,
    )
    text = None if model.text_encoder is None else load_encoder(model.text_encoder, "text")
    vision = None if model.vision_encoder is None else load_encoder(model.vision_encoder, "vision")
    if text is not None and (most := most_tokens(text)) is not None:
        for name in ("max_length", "knowledge_max_length") if model.use_knowledge else ("max_length",):
            if getattr(processor, name) > most:
                logger.warning(
                    "model.%s is %d, and %s has positions for %d tokens: longer texts are cut there.",
                    name,
                    getattr(processor, name),
                    model.text_encoder,
                    most,
                )
                setattr(processor, name, most)
    return Encoders(model, text, vision, processor, cache)
