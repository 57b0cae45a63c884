"""The paper's guide: a frozen CLIP, or any CLIP- or SigLIP-like two-tower model of Transformers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

from clfa.ahead import prepared_ahead
from clfa.cpu import speed_up
from clfa.data.images import load_image
from clfa.devices import best_device
from clfa.errors import ModelError
from clfa.guides.base import Guide, GuideContext, check_options
from clfa.modeling.encoders import most_tokens
from clfa.modeling.frozen_encoder import batches_by_length, weights_fingerprint
from clfa.pretrained import pretrained, pretrained_model
from clfa.progress import track


class CLIPGuide(Guide):
    """Projected text and image embeddings (``text_embeds``, ``image_embeds``) of a frozen two-tower model.

    Args:
        model: Directory or hub id; ``openai/clip-vit-base-patch32`` in the paper.
        batch_size: Samples per forward pass.

    Raises:
        ModelError: When the model cannot be loaded, it lacks one of the two towers, or its embeddings of texts and of
            pictures cannot be compared.
    """

    name: ClassVar[str] = "clip"

    def __init__(self, model: str | os.PathLike[str] = "openai/clip-vit-base-patch32", batch_size: int = 64) -> None:
        self.model = pretrained_model(AutoModel, model).eval().requires_grad_(False)
        if not (hasattr(self.model, "get_text_features") and hasattr(self.model, "get_image_features")):
            raise ModelError(
                f"{str(model)!r} is a {type(self.model).__name__}, not a CLIP-like model: it does not embed both "
                "texts and images. Without a CLIP-like model, use guide.name=fitted."
            )
        speed_up(self.model, layers_only=True)
        self.tokenizer = pretrained(AutoTokenizer, model)
        self.image_processor = pretrained(AutoImageProcessor, model)
        self.batch_size = batch_size
        self.model.to(best_device())
        text_config = getattr(self.model.config, "text_config", self.model.config)
        self.max_length = int(getattr(text_config, "max_position_embeddings", 77))
        tower = getattr(self.model, "text_model", None)
        if tower is not None and (most := most_tokens(tower)) is not None:
            # Configurations of RoBERTa and its relatives count positions that no token has.
            self.max_length = min(self.max_length, most)
        # SigLIP was trained on texts padded to the full length, without a mask, and needs the same input here. Not all
        # of its tokenizers leave the mask out.
        self.reads_padding = "siglip" in self.model.config.model_type
        self.padding = "max_length" if self.reads_padding else True
        settings: list[Any] = [self.image_processor.to_dict(), self.max_length, str(self.padding)]
        if self.reads_padding and "attention_mask" in self.tokenizer.model_input_names:
            settings.append("no mask")
        self.fingerprint = weights_fingerprint(self.model, *settings)
        self.dim = self._common_width(model)

    def _common_width(self, name: str | os.PathLike[str]) -> int:
        """Return the width of the embeddings, after a check that it is one vector of one width for text and picture."""
        model = type(self.model).__name__
        instead = "Give another guide.model, or use guide.name=fitted."
        blank = Image.new("RGB", (32, 32))
        shapes = []
        for kind, embed in (
            ("texts", lambda: self.embed_texts(["a"])),
            ("pictures", lambda: self._embedded(self._inputs([blank]))),
        ):
            try:
                shapes.append(embed().shape)
            except Exception as error:  # Whatever a model raises that is not called as CLIP is.
                reason = " ".join(str(error).split())
                raise ModelError(
                    f"{os.fspath(name)!r} cannot be the guide: {model} fails on {kind} ({reason}). {instead}"
                ) from error
        if len(shapes[0]) != 2 or shapes[0] != shapes[1]:
            raise ModelError(
                f"{os.fspath(name)!r} cannot be the guide: what {model} returns for a text and for a picture has the "
                f"shapes {shapes[0]} and {shapes[1]}, which cannot be compared. {instead}"
            )
        return int(shapes[0][1])

    @classmethod
    def from_context(cls, context: GuideContext, **options: Any) -> CLIPGuide:
        """See :meth:`Guide.from_context`. Options are the arguments of the class.

        Raises:
            RecipeError: When an option is unknown.
        """
        check_options(cls.name, options, ("model", "batch_size"))
        return cls(**options)

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """See :meth:`Guide.embed_texts`."""
        tokens = self.tokenizer(list(texts), truncation=True, max_length=self.max_length)["input_ids"]
        rows, order = [], []
        with track(len(texts), "guide: texts") as advance:
            for positions in batches_by_length([len(ids) for ids in tokens], self.batch_size):
                inputs = self.tokenizer(
                    [texts[i] for i in positions],
                    padding=self.padding,
                    truncation=True,
                    max_length=self.max_length,
                    return_tensors="pt",
                ).to(self.model.device)
                if self.reads_padding:
                    inputs = {"input_ids": inputs["input_ids"]}
                rows.append(_projected(self.model.get_text_features(**inputs)))
                order += positions
                advance(len(positions))
        return np.concatenate(rows)[np.argsort(order)]

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Any]) -> np.ndarray:
        """See :meth:`Guide.embed_images`.

        Raises:
            ImageError: When an image cannot be read; the message names it.
        """
        batches = [images[start : start + self.batch_size] for start in range(0, len(images), self.batch_size)]

        def prepare(batch: Sequence[Any]) -> Any:
            return self._inputs([load_image(image) for image in batch])

        rows = []
        with track(len(images), "guide: images") as advance:
            for batch, inputs in prepared_ahead(batches, prepare):
                rows.append(self._embedded(inputs))
                advance(len(batch))
        return np.concatenate(rows)

    def _inputs(self, pictures: list[Image.Image]) -> Any:
        # More than pixels for models that read pictures of any shape: their shapes, and a mask.
        return self.image_processor(images=pictures, return_tensors="pt")

    def _embedded(self, inputs: Any) -> np.ndarray:
        return _projected(self.model.get_image_features(**inputs.to(self.model.device)))


def _projected(output: Any) -> np.ndarray:
    """Return the embeddings (B, D) of ``get_*_features``: a tensor in older releases, else in an output object."""
    tensor = output if isinstance(output, torch.Tensor) else output.pooler_output
    return tensor.float().cpu().numpy()
