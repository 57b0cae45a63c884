"""Texts and pictures in, tensors out: one object to save beside the model."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoTokenizer, BatchFeature, ProcessorMixin
from transformers.utils.hub import cached_file

from clfa.data.images import ImageSource, load_image
from clfa.errors import ModelError, RecipeError
from clfa.knowledge.graphs import WordGraphs
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.words import Pieces, align
from clfa.pretrained import pretrained, resolve_pretrained
from clfa.processing.sparse import dense

PROCESSOR_FILE = "processor_config.json"

_TENSORS = ("pt", "np")
_INPUTS = ("text", "images", "knowledge", "return_tensors")


def tokenizer_digest(tokenizer: Any) -> str:
    """Hexadecimal digest of a fast tokenizer's vocabulary and rules, for naming caches."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    # What the last call cut and padded to, not a property of the tokenizer.
    content = {name: value for name, value in content.items() if name not in ("truncation", "padding")}
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=16).hexdigest()


class CLFAProcessor(ProcessorMixin):
    """A tokenizer and an image processor; either may be absent in a model of one modality.

    Args:
        image_processor: Any Transformers image processor.
        tokenizer: Any Transformers tokenizer.
        max_length: Most text tokens kept, special tokens included (77 in the paper).
        knowledge_max_length: Most knowledge tokens kept (66 in the paper).
        knowledge: The recipe's ``knowledge`` section, or its content; ``None`` for a model without a knowledge stream.
            New posts get their knowledge texts and word graphs by it.

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
        **kwargs: Any,
    ) -> None:
        self.max_length = max_length
        self.knowledge_max_length = knowledge_max_length
        self.knowledge = KnowledgeRecipe.model_validate(knowledge) if isinstance(knowledge, dict) else knowledge
        self._word_graphs: WordGraphs | None = None
        self._graph_fingerprint: str | None = None
        super().__init__(image_processor, tokenizer, **kwargs)

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
        """Let a modality be absent; anything present is checked as usual."""
        return None if argument is None else super().check_argument_for_proper_class(argument_name, argument)

    def save_pretrained(  # type: ignore[override]
        self, save_directory: str | os.PathLike[str], **kwargs: Any
    ) -> list[str]:
        """Write the tokenizer, the image processor and the lengths into ``save_directory``.

        Args:
            save_directory: Directory, made if absent; normally the model's.
            kwargs: Passed on to the parts.

        Returns:
            The files written.
        """
        directory = Path(save_directory)
        directory.mkdir(parents=True, exist_ok=True)
        for part in (self.tokenizer, self.image_processor):
            if part is not None:
                part.save_pretrained(directory, **kwargs)
        path = directory / PROCESSOR_FILE
        graphs = self.word_graphs
        temporary = path.with_suffix(".tmp")
        temporary.write_text(
            json.dumps(
                {
                    "processor_class": type(self).__name__,
                    "max_length": self.max_length,
                    "knowledge_max_length": self.knowledge_max_length,
                    "knowledge": None if self.knowledge is None else self.knowledge.model_dump(),
                    "word_graphs": None if graphs is None else graphs.fingerprint,
                    "modalities": [
                        name
                        for name, part in (("text", self.tokenizer), ("image", self.image_processor))
                        if part is not None
                    ],
                },
                indent=2,
            )
            + "\n",
            encoding="utf-8",
        )
        os.replace(temporary, path)
        return [str(file) for file in sorted(directory.iterdir())]

    @classmethod
    def from_pretrained(  # type: ignore[override]
        cls, pretrained_model_name_or_path: str | os.PathLike[str], **kwargs: Any
    ) -> CLFAProcessor:
        """Load what :meth:`save_pretrained` wrote, from a directory or a hub id.

        Raises:
            ModelError: When there is no CLFA processor, or a damaged one.
        """
        place = pretrained_model_name_or_path
        path = cached_file(resolve_pretrained(place), PROCESSOR_FILE, _raise_exceptions_for_missing_entries=False)
        if path is None:
            raise ModelError(f"{str(place)!r} holds no CLFA processor: {PROCESSOR_FILE} is missing.")
        try:
            settings = json.loads(Path(path).read_text(encoding="utf-8"))
            modalities = settings.get("modalities", ["text", "image"])
            knowledge = settings.get("knowledge")
            knowledge = None if knowledge is None else KnowledgeRecipe.model_validate(knowledge)
            lengths = {
                name: int(settings.get(name, default))
                for name, default in (("max_length", 77), ("knowledge_max_length", 66))
            }
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} is damaged ({error}); save the processor anew.") from error
        processor = cls(
            pretrained(AutoImageProcessor, place) if "image" in modalities else None,
            pretrained(AutoTokenizer, place) if "text" in modalities else None,
            **lengths,
            knowledge=knowledge,
        )
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
    ) -> CLFAProcessor:
        """The processor that goes with pretrained encoders.

        Args:
            text_encoder: Directory, hub id or ``package:NAME``; ``None`` without text.
            vision_encoder: The same; ``None`` without images.
            max_length: Most text tokens kept.
            knowledge_max_length: Most knowledge tokens kept.
            knowledge: The recipe's ``knowledge`` section, for a model with a knowledge stream.

        Raises:
            ModelError: When a tokenizer or image processor is not there.
        """
        return cls(
            None if vision_encoder is None else pretrained(AutoImageProcessor, vision_encoder),
            None if text_encoder is None else pretrained(AutoTokenizer, text_encoder),
            max_length=max_length,
            knowledge_max_length=knowledge_max_length,
            knowledge=knowledge,
        )

    def __call__(
        self,
        text: str | Sequence[str | None] | None = None,
        images: ImageSource | Sequence[ImageSource | None] | None = None,
        knowledge: str | Sequence[str | None] | None = None,
        return_tensors: str = "pt",
        **unknown: Any,
    ) -> BatchFeature:
        """Prepare a batch of B samples; texts are padded to the longest of the batch.

        Args:
            text: One text or B of them; ``None`` where a sample has none, for models that allow it.
            images: One picture or B of them: PIL images, paths, fsspec addresses, bytes, or the schema's dictionaries.
            knowledge: One knowledge text or B of them, ``None`` or empty where a sample has none.
            return_tensors: ``"pt"`` for PyTorch tensors, ``"np"`` for NumPy arrays.
            unknown: Nothing; any other argument is an error.

        Returns:
            ``input_ids`` and ``attention_mask`` (B, T), ``pixel_values`` (B, 3, H, W), where a sample has no picture
            (``None``) also ``image_present`` (B,), and, where any sample has
            knowledge, ``knowledge_input_ids`` and ``knowledge_attention_mask`` (B, K). With word graphs also
            ``text_bias`` (B, T, T) and ``knowledge_bias`` (B, T, K), as far as they have weights.

        Raises:
            TypeError: An argument of another name; the message has the nearest.
            ValueError: Another ``return_tensors``, or unequal numbers of texts, images and knowledge texts.
            ImageError: Naming the picture that cannot be read.
        """
        _check_names(unknown)
        if return_tensors not in _TENSORS:
            raise ValueError(f"return_tensors is {return_tensors!r}; choose one of {', '.join(map(repr, _TENSORS))}.")
        texts, sources, notes = _listed(text), _listed(images), _listed(knowledge)
        _check_counts({"texts": texts, "images": sources, "knowledge texts": notes})
        batch: dict[str, Any] = {}
        if texts is not None and self.tokenizer is not None:
            encoded = self._tokenize([t or "" for t in texts], self.max_length)
            encoded["attention_mask"][torch.tensor([t is None for t in texts])] = 0
            batch.update(encoded)
        if notes is not None and self.tokenizer is not None and any(notes):
            encoded = self._tokenize([k or "" for k in notes], self.knowledge_max_length)
            absent = torch.tensor([not k for k in notes])
            encoded["attention_mask"][absent] = 0
            batch["knowledge_input_ids"] = encoded["input_ids"]
            batch["knowledge_attention_mask"] = encoded["attention_mask"]
        if sources is not None and self.image_processor is not None:
            loaded = [None if source is None else load_image(source) for source in sources]
            present = [image for image in loaded if image is not None]
            prepared = iter(self.pixels(present) if present else ())
            batch.update(self.image_inputs([None if image is None else next(prepared) for image in loaded]))
        if texts is not None and "input_ids" in batch and self.word_graphs is not None:
            batch.update(self._biases(texts, notes, batch))
        if return_tensors == "np":
            batch = {name: tensor.numpy() for name, tensor in batch.items()}
        return BatchFeature(batch)

    def __getstate__(self) -> dict[str, Any]:
        # WordNet is read through open files, which do not travel to a loader's processes; it is loaded again there.
        return {**self.__dict__, "_word_graphs": None}

    @property
    def word_graphs(self) -> WordGraphs | None:
        """The word-pair graphs that the knowledge settings give a weight, loaded when first asked for.

        Raises:
            RecipeError: When a lexicon's package or path is missing, or the tokenizer cannot say where pieces stand.
            DataError: When a lexicon or WordNet cannot be read.
            ModelError: When they are not those that the model was trained with.
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
        """Which word each token of :meth:`token_ids` belongs to, cut at the same length; no tokens without text."""
        if not texts:
            return []
        encoded = self.tokenizer(
            [text or "" for text in texts],
            truncation=True,
            max_length=max_length or self.max_length,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
        parts = zip(texts, encoded["offset_mapping"], encoded["special_tokens_mask"], strict=True)
        return [align(text, offsets, special) if text else align("", [], []) for text, offsets, special in parts]

    def pixels(self, images: Sequence[Any]) -> torch.Tensor:
        """Resize and normalise loaded PIL images -> (B, 3, H, W)."""
        pixel_values: torch.Tensor = self.image_processor(images=list(images), return_tensors="pt")["pixel_values"]
        return pixel_values

    def image_inputs(self, pixels: Sequence[torch.Tensor | None]) -> dict[str, torch.Tensor]:
        """``pixel_values`` (B, 3, H, W) of B prepared pictures, and ``image_present`` (B,) where one has none.

        Args:
            pixels: Pictures (3, H, W) as :meth:`pixels` makes them, ``None`` where a sample has none.
        """
        inputs: dict[str, torch.Tensor] = {}
        first = next((image for image in pixels if image is not None), None)
        if first is not None:
            empty = torch.zeros_like(first)
            inputs["pixel_values"] = torch.stack([empty if image is None else image for image in pixels])
        if any(image is None for image in pixels):
            inputs["image_present"] = torch.tensor([image is not None for image in pixels])
        return inputs

    def token_ids(self, texts: Sequence[str], max_length: int | None = None) -> list[list[int]]:
        """Token ids of each text, special tokens included, cut but not padded."""
        # Tokenizers fail on an empty list.
        if not texts:
            return []
        encoded = self.tokenizer(list(texts), truncation=True, max_length=max_length or self.max_length)
        ids: list[list[int]] = encoded["input_ids"]
        return ids

    def _biases(
        self, texts: Sequence[str | None], knowledge: Sequence[str | None] | None, batch: dict[str, Any]
    ) -> dict[str, torch.Tensor]:
        graphs = self.word_graphs
        assert graphs is not None
        biases: dict[str, torch.Tensor] = {}
        pieces = self.pieces(texts)
        length = batch["input_ids"].shape[1]
        if graphs.gamma:
            biases["text_bias"] = graphs.gamma * dense([graphs.affective_self(text) for text in pieces], length, length)
        if knowledge is not None and "knowledge_input_ids" in batch and (graphs.lambda1 or graphs.lambda2):
            extra = self.pieces(knowledge, self.knowledge_max_length)
            pairs = list(zip(pieces, extra, strict=True))
            shape = length, batch["knowledge_input_ids"].shape[1]
            bias = torch.zeros(len(texts), *shape)
            if graphs.lambda1:
                bias = bias + graphs.lambda1 * dense([graphs.affective(*pair) for pair in pairs], *shape)
            if graphs.lambda2:
                bias = bias + graphs.lambda2 * dense([graphs.antonym(*pair) for pair in pairs], *shape)
            biases["knowledge_bias"] = bias
        return biases

    def _tokenize(self, texts: list[str], max_length: int) -> dict[str, torch.Tensor]:
        encoded = self.tokenizer(texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


def _listed(given: Any) -> list[Any] | None:
    """One sample's input or a batch's, as a list."""
    if given is None:
        return None
    several = isinstance(given, Sequence) and not isinstance(given, str | bytes)
    return list(given) if several else [given]


def _check_names(unknown: Mapping[str, Any]) -> None:
    for name in unknown:
        nearest = difflib.get_close_matches(name, _INPUTS, n=1)
        hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
        raise TypeError(f"CLFAProcessor has no argument {name!r}.{hint} It takes {', '.join(_INPUTS)}.")


def _check_counts(given: Mapping[str, list[Any] | None]) -> None:
    counts = {name: len(values) for name, values in given.items() if values is not None}
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise ValueError(f"unequal numbers ({found}); give as many of each, with None where a sample has none.")
