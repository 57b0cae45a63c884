"""Processor: conversion of texts, images and knowledge texts to tensors. It is saved with the model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import AutoImageProcessor, AutoTokenizer, BatchFeature, ProcessorMixin
from transformers.utils.hub import cached_file

from clfa.data.images import ImageSource, load_image
from clfa.errors import ModelError, RecipeError
from clfa.files import write_json
from clfa.knowledge.graphs import WordGraphs
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.words import Pieces, align
from clfa.nearest import did_you_mean
from clfa.pretrained import pretrained, require_model
from clfa.processing.padded_texts import reads_padding
from clfa.processing.pictures import pad_pictures
from clfa.processing.pixel_table import PixelTable
from clfa.processing.sparse import dense
from clfa.processing.terms import TERMS_FILE, Terms, pad_terms
from clfa.processing.tokenizers import require_same_copy
from clfa.tables.access import Access
from clfa.tables.gate import callers_pictures
from clfa.tables.lines import whole_characters
from clfa.tables.pictures import MAX_IMAGES, pictures_of

if TYPE_CHECKING:
    import torch

PROCESSOR_FILE = "processor_config.json"

_TENSORS = ("pt", "np")
_INPUTS = ("text", "images", "knowledge", "return_tensors")


class CLFAProcessor(ProcessorMixin):
    """A tokenizer and an image processor; a model of one modality has only one of them.

    Args:
        image_processor: Any Transformers image processor.
        tokenizer: Any Transformers tokenizer.
        max_length: Maximum number of text tokens, including special tokens (77 in the paper).
        knowledge_max_length: Maximum number of knowledge tokens (66 in the paper).
        knowledge: The recipe's ``knowledge`` section, or its content; ``None`` for a model without a knowledge stream.
            It defines the knowledge texts and word graphs of new posts.
        max_images: Largest number of images per sample; further ones are ignored.
        terms: Vocabulary of a model that reads the terms of the text beside its tokens; ``None`` for other models.
        pad_to_max_length: Whether every text is padded to the maximum length, and the padding is read as tokens are.
            The text towers of SigLIP were trained so.

    Example:
        >>> processor = CLFAProcessor.from_pretrained("runs/mine/model")        # doctest: +SKIP
        >>> batch = processor(text=["so sunny"], images=["rain.jpg"])           # doctest: +SKIP
    """

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        max_length: int = 77,
        knowledge_max_length: int = 66,
        knowledge: KnowledgeRecipe | dict[str, Any] | None = None,
        max_images: int = MAX_IMAGES,
        terms: Terms | None = None,
        pad_to_max_length: bool = False,
        **kwargs: Any,
    ) -> None:
        self.pad_to_max_length = pad_to_max_length
        self.max_length = max_length
        self.knowledge_max_length = knowledge_max_length
        self.max_images = max_images
        self.terms = terms
        self.knowledge = KnowledgeRecipe.model_validate(knowledge) if isinstance(knowledge, dict) else knowledge
        self._word_graphs: WordGraphs | None = None
        self._graph_fingerprint: str | None = None
        self._pixel_table: PixelTable | None = None
        super().__init__(image_processor, tokenizer, **kwargs)

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        """Accept ``None`` for a missing modality; check other values as usual."""
        return None if argument is None else super().check_argument_for_proper_class(argument_name, argument)

    def save_pretrained(  # type: ignore[override]
        self, save_directory: str | os.PathLike[str], **kwargs: Any
    ) -> list[str]:
        """Write the tokenizer, the image processor, the settings and the terms to ``save_directory``.

        Args:
            save_directory: Directory, usually the model's; created if absent.
            kwargs: Arguments for ``save_pretrained`` of tokenizer and image processor.

        Returns:
            The files of the directory.
        """
        directory = Path(save_directory)
        directory.mkdir(parents=True, exist_ok=True)
        for part in (self.tokenizer, self.image_processor):
            if part is not None:
                part.save_pretrained(directory, **kwargs)
        if self.terms is not None:
            self.terms.save(directory / TERMS_FILE)
        path = directory / PROCESSOR_FILE
        graphs = self.word_graphs
        settings = {**self.to_dict(), "word_graphs": None if graphs is None else graphs.fingerprint}
        write_json(path, settings)
        return [str(file) for file in sorted(directory.iterdir())]

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values, with the fingerprints of word graphs, if they are known, and terms."""
        parts = (("text", self.tokenizer), ("image", self.image_processor))
        settings = {
            "processor_class": type(self).__name__,
            "max_length": self.max_length,
            "knowledge_max_length": self.knowledge_max_length,
            "max_images": self.max_images,
            "knowledge": None if self.knowledge is None else self.knowledge.model_dump(),
            "word_graphs": self._graph_fingerprint,
            "modalities": [name for name, part in parts if part is not None],
        }
        if self.terms is not None:
            settings["terms"] = self.terms.fingerprint
        if self.pad_to_max_length:
            settings["pad_to_max_length"] = True
        return settings

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> CLFAProcessor:
        """Load a processor from a directory or a hub id.

        Raises:
            ModelError: If there is no CLFA processor, or it is damaged.
        """
        place = pretrained_model_name_or_path
        path = cached_file(require_model(place), PROCESSOR_FILE, _raise_exceptions_for_missing_entries=False)
        if path is None:
            raise ModelError(f"{str(place)!r} contains no CLFA processor: {PROCESSOR_FILE} is missing.")
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8"))
            modalities = list(settings.get("modalities", ["text", "image"]))
            knowledge = settings.get("knowledge")
            knowledge = None if knowledge is None else KnowledgeRecipe.model_validate(knowledge)
            limits = {
                name: int(settings.get(name, default))
                for name, default in (("max_length", 77), ("knowledge_max_length", 66), ("max_images", MAX_IMAGES))
            }
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"{path} is damaged ({error}); save the processor again.") from error
        processor = cls(
            pretrained(AutoImageProcessor, place) if "image" in modalities else None,
            pretrained(AutoTokenizer, place) if "text" in modalities else None,
            **limits,
            knowledge=knowledge,
            terms=None if settings.get("terms") is None else _saved_terms(place, settings["terms"]),
            pad_to_max_length=bool(settings.get("pad_to_max_length", False)),
        )
        if processor.tokenizer is not None and processor.tokenizer.pad_token_id is None:
            raise ModelError(f"the tokenizer in {str(place)!r} has no padding token; save the processor again.")
        processor._graph_fingerprint = settings.get("word_graphs")
        return processor

    @classmethod
    def from_encoders(
        cls,
        text_encoder: str | os.PathLike[str] | None,
        vision_encoder: str | os.PathLike[str] | None,
        *,
        max_length: int = 77,
        knowledge_max_length: int = 66,
        knowledge: KnowledgeRecipe | None = None,
        max_images: int = MAX_IMAGES,
    ) -> CLFAProcessor:
        """The processor that goes with pretrained encoders.

        Args:
            text_encoder: Directory, hub id or ``package:NAME``; ``None`` without text.
            vision_encoder: The same; ``None`` without images.
            max_length: Most text tokens kept.
            knowledge_max_length: Most knowledge tokens kept.
            knowledge: The recipe's ``knowledge`` section, for a model with a knowledge stream.
            max_images: Largest number of images per sample.

        Raises:
            ModelError: When a tokenizer or image processor is not there, or the tokenizer cannot be saved with a model.
        """
        tokenizer = None if text_encoder is None else pretrained(AutoTokenizer, text_encoder)
        if tokenizer is not None and text_encoder is not None:
            require_same_copy(tokenizer, text_encoder)
        return cls(
            None if vision_encoder is None else pretrained(AutoImageProcessor, vision_encoder),
            tokenizer,
            max_length=max_length,
            knowledge_max_length=knowledge_max_length,
            knowledge=knowledge,
            max_images=max_images,
            pad_to_max_length=text_encoder is not None and reads_padding(text_encoder),
        )

    def __call__(
        self,
        text: str | Sequence[str | None] | None = None,
        images: ImageSource | Sequence[ImageSource | Sequence[ImageSource] | None] | None = None,
        knowledge: str | Sequence[str | None] | None = None,
        return_tensors: str = "pt",
        allow_urls: bool | str | Sequence[str] = False,
        **unknown: Any,
    ) -> BatchFeature:
        """Prepare a batch of B samples; texts are padded to the longest of the batch.

        Args:
            text: One text, or B texts; ``None`` for a sample without text, if the model allows it.
            images: One image, or B images: PIL images, paths, bytes, addresses, or the schema's dictionaries;
                ``None`` for a sample without an image, if the model allows it. A list in the list holds the several
                images of a sample; at most ``max_images`` are used.
            knowledge: One knowledge text, or B knowledge texts; ``None`` or empty for a sample without one.
            return_tensors: ``"pt"`` for PyTorch tensors, ``"np"`` for NumPy arrays.
            allow_urls: Addresses that may stand for images: ``True``, or schemes such as ``["https"]``.
            unknown: Any other argument; raises an error.

        Returns:
            ``input_ids`` and ``attention_mask`` (B, T); ``pixel_values`` (B, 3, H, W); ``image_present`` (B,) if an
            image is missing; if a sample has several images, ``pixel_values`` (B, M, 3, H, W) and ``image_present``
            (B, M); ``term_ids`` and ``term_weights`` (B, N) of a processor with terms, 0 where a sample has fewer, or
            no text; ``knowledge_input_ids`` and ``knowledge_attention_mask`` (B, K) if any sample has
            knowledge; ``text_bias`` (B, T, T) and ``knowledge_bias`` (B, T, K) for word graphs with nonzero weights.

        Raises:
            TypeError: If an argument is unknown; the message suggests the nearest name. If a text is none.
            ValueError: If ``return_tensors`` is not valid, or the numbers of texts, images and knowledge texts differ.
            ImageError: If an image cannot be read; the message names it.
        """
        _check_names(unknown)
        if return_tensors not in _TENSORS:
            raise ValueError(f"return_tensors is {return_tensors!r}; choose one of {', '.join(map(repr, _TENSORS))}.")
        texts, sources, notes = _listed(text), _listed(images), _listed(knowledge)
        _check_texts({"text": texts, "knowledge": notes})
        _check_counts({"texts": texts, "images": sources, "knowledge texts": notes})
        batch: dict[str, Any] = {}
        if texts is not None and self.tokenizer is not None:
            encoded = self._tokenize([t or "" for t in texts], self.max_length)
            encoded["attention_mask"][[t is None for t in texts]] = 0
            batch.update(encoded)
            if self.terms is not None:
                batch["term_ids"], batch["term_weights"] = pad_terms(self.terms(texts))
        if notes is not None and self.tokenizer is not None and any(notes):
            encoded = self._tokenize([k or "" for k in notes], self.knowledge_max_length)
            encoded["attention_mask"][[not k for k in notes]] = 0
            batch["knowledge_input_ids"] = encoded["input_ids"]
            batch["knowledge_attention_mask"] = encoded["attention_mask"]
        if sources is not None and self.image_processor is not None:
            access = Access.of(allow_urls)
            cells = [callers_pictures(source, access) for source in sources]
            loaded = [[load_image(one) for one in pictures_of(cell)[: self.max_images]] for cell in cells]
            counts = [len(pictures) for pictures in loaded]
            pixels: list[np.ndarray | None] = [None] * len(loaded)
            if any(counts):
                every = self.pixel_array([image for pictures in loaded for image in pictures])
                each = np.split(every, np.cumsum(counts)[:-1])
                pixels = [one[0] if len(one) == 1 else one if len(one) else None for one in each]
            batch.update(self.image_inputs(pixels))
        if texts is not None and "input_ids" in batch and self.word_graphs is not None:
            batch.update(self._biases(texts, notes, batch))
        if return_tensors == "pt":
            import torch

            batch = {name: torch.from_numpy(array) for name, array in batch.items()}
        return BatchFeature(batch)

    def __getstate__(self) -> dict[str, Any]:
        # WordNet has open files, which cannot be pickled; worker processes load it again.
        return {**self.__dict__, "_word_graphs": None, "_pixel_table": None}

    @property
    def word_graphs(self) -> WordGraphs | None:
        """The word-pair graphs with a nonzero weight in the knowledge settings, loaded on first use.

        Raises:
            RecipeError: If a lexicon's package or path is missing, or the tokenizer is not a fast tokenizer.
            DataError: If a lexicon or WordNet cannot be read.
            ModelError: If lexicon or WordNet differ from those that the model was trained with.
        """
        if self.knowledge is None or self.tokenizer is None or not self.knowledge.has_graphs:
            return None
        if self._word_graphs is None:
            if not self.tokenizer.is_fast:
                raise RecipeError(
                    f"word graphs need a fast tokenizer, and {type(self.tokenizer).__name__} is not one; use another "
                    "text encoder, or set knowledge.gamma, lambda1 and lambda2 to 0."
                )
            graphs = WordGraphs.from_recipe(self.knowledge)
            if self._graph_fingerprint not in (None, graphs.fingerprint):
                raise ModelError(
                    "the lexicon or WordNet found here is not the one that the model was trained with; "
                    "install the same release, or correct knowledge.lexicon_path or knowledge.wordnet_path in "
                    f"{PROCESSOR_FILE}."
                )
            self._word_graphs = graphs
        return self._word_graphs

    def pieces(self, texts: Sequence[str | None], max_length: int | None = None) -> list[Pieces]:
        """Return the word of each token of :meth:`token_ids`, truncated equally; no tokens without text."""
        if not texts:
            return []
        texts = [whole_characters(text or "") for text in texts]
        encoded = self.tokenizer(
            texts,
            truncation=True,
            max_length=max_length or self.max_length,
            padding=self._padding(),
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        parts = zip(texts, encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
        return [align(text, offsets, special) if text else align("", [], []) for text, offsets, special in parts]

    def pixels(self, images: Sequence[Any]) -> torch.Tensor:
        """Resize and normalise PIL images; return (B, 3, H, W)."""
        import torch

        return torch.from_numpy(self.pixel_array(images))

    def pixel_array(self, images: Sequence[Any]) -> np.ndarray:
        """Resize and normalise PIL images; return (B, 3, H, W). This needs no PyTorch."""
        if self._pixel_table is None or not self._pixel_table.holds(self.image_processor):
            self._pixel_table = PixelTable(self.image_processor)
        return self._pixel_table(images)

    def picture_pixels(self, images: Sequence[Any]) -> torch.Tensor | None:
        """Return the pixels of one sample's PIL images: (3, H, W) of one, (n, 3, H, W) of several, else ``None``."""
        if not images:
            return None
        pixels = self.pixels(images)
        return pixels[0] if len(pixels) == 1 else pixels

    def image_inputs(self, pixels: Sequence[np.ndarray | None]) -> dict[str, np.ndarray]:
        """Return ``pixel_values`` (B, 3, H, W) of B samples, and ``image_present`` (B,) if an image is missing.

        If any sample has several images, they are (B, M, 3, H, W) and (B, M) with the largest number M of images.

        Args:
            pixels: Images (3, H, W) or (n, 3, H, W) from :meth:`pixel_array`; ``None`` for a sample without any.
        """
        if any(image is not None and image.ndim == 4 for image in pixels):
            values, present = pad_pictures(pixels)
            return {"pixel_values": values, "image_present": present}
        inputs: dict[str, np.ndarray] = {}
        first = next((image for image in pixels if image is not None), None)
        if first is not None:
            empty = np.zeros_like(first)
            inputs["pixel_values"] = np.stack([empty if image is None else image for image in pixels])
        if any(image is None for image in pixels):
            inputs["image_present"] = np.array([image is not None for image in pixels])
        return inputs

    def token_ids(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """Return the token ids of each text, with special tokens, truncated.

        They are only padded where the text encoder reads the padding.
        """
        # Tokenizers fail on an empty list.
        if not texts:
            return []
        whole = [whole_characters(text) for text in texts]
        encoded = self.tokenizer(
            whole, truncation=True, max_length=max_length or self.max_length, padding=self._padding()
        )
        return encoded["input_ids"]

    def _padding(self) -> str | bool:
        return "max_length" if self.pad_to_max_length else False

    def _biases(
        self, texts: Sequence[str | None], knowledge: Sequence[str | None] | None, batch: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        graphs = self.word_graphs
        assert graphs is not None
        biases: dict[str, np.ndarray] = {}
        pieces = self.pieces(texts)
        length = batch["input_ids"].shape[1]
        if graphs.gamma:
            biases["text_bias"] = graphs.gamma * dense([graphs.affective_self(text) for text in pieces], length, length)
        if knowledge is not None and "knowledge_input_ids" in batch and (graphs.lambda1 or graphs.lambda2):
            extra = self.pieces(knowledge, self.knowledge_max_length)
            pairs = list(zip(pieces, extra, strict=True))
            shape = length, batch["knowledge_input_ids"].shape[1]
            bias = np.zeros((len(texts), *shape), np.float32)
            if graphs.lambda1:
                bias = bias + graphs.lambda1 * dense([graphs.affective(*pair) for pair in pairs], *shape)
            if graphs.lambda2:
                bias = bias + graphs.lambda2 * dense([graphs.antonym(*pair) for pair in pairs], *shape)
            biases["knowledge_bias"] = bias
        return biases

    def _tokenize(self, texts: list[str], max_length: int) -> dict[str, np.ndarray]:
        # Tokenizers reject halves of surrogate pairs.
        whole = [whole_characters(text) for text in texts]
        encoded = self.tokenizer(
            whole,
            truncation=True,
            max_length=max_length,
            padding=self._padding() or True,
            return_tensors="np",
            return_attention_mask=True,
        )
        mask = np.ones_like(encoded["input_ids"]) if self.pad_to_max_length else encoded["attention_mask"]
        return {"input_ids": encoded["input_ids"], "attention_mask": mask}


def _saved_terms(place: str | os.PathLike[str], fingerprint: Any) -> Terms:
    """Return the terms of a saved processor, after a check that they are those that it was saved with."""
    path = cached_file(require_model(place), TERMS_FILE, _raise_exceptions_for_missing_entries=False)
    if path is None:
        raise ModelError(
            f"{str(place)!r} has no {TERMS_FILE}, whose terms the model reads; copy it from where the model was saved."
        )
    terms = Terms.load(path)
    if terms.fingerprint != fingerprint:
        raise ModelError(
            f"{path} has not the terms that the model was trained with; copy it again from where the model was saved."
        )
    return terms


def _listed(given: Any) -> list[Any] | None:
    """Return the input of one sample or of a batch as a list."""
    if given is None:
        return None
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    return list(given) if several else [given]


def _check_names(unknown: Mapping[str, Any]) -> None:
    for name in unknown:
        hint = did_you_mean(name, _INPUTS)
        raise TypeError(f"CLFAProcessor has no argument {name!r}.{hint} The arguments are {', '.join(_INPUTS)}.")


def _check_texts(given: Mapping[str, list[Any] | None]) -> None:
    for name, values in given.items():
        for number, value in enumerate(values or ()):
            if not isinstance(value, str | None):
                kind = type(value).__name__
                raise TypeError(f"{name} of sample {number} is of type {kind}; give a text, or None for a missing one.")


def _check_counts(given: Mapping[str, list[Any] | None]) -> None:
    counts = {name: len(values) for name, values in given.items() if values is not None}
    if set(counts.values()) <= {0}:
        raise ValueError("no samples: give at least one text or image.")
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise ValueError(f"unequal numbers of inputs ({found}); give one per sample, with None for a missing input.")
