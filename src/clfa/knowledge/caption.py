"""Captions of images by a Transformers captioning model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoProcessor, AutoTokenizer

from clfa.devices import best_device
from clfa.errors import ModelError, RecipeError
from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.pretrained import pretrained
from clfa.tables.encoding import clean_text


class CaptionSource(KnowledgeSource):
    """Captions by greedy decoding, so that an image always gets the same caption.

    Args:
        model: A model of ``AutoModelForImageTextToText`` (BLIP, GIT, vision encoder-decoders).
        image_processor: The model's image processor.
        tokenizer: The model's tokenizer.
        max_tokens: Largest number of generated tokens.
    """

    name = "caption"
    reads = "image"
    batch_size = 8

    def __init__(self, model: Any, image_processor: Any, tokenizer: Any, max_tokens: int = 32) -> None:
        self.model = model.eval().to(best_device())
        self.image_processor, self.tokenizer, self.max_tokens = image_processor, tokenizer, max_tokens
        digest = hashlib.blake2b(digest_size=16)
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        digest.update(json.dumps([image_processor.to_dict(), max_tokens], sort_keys=True, default=str).encode())
        self.fingerprint = f"caption-{digest.hexdigest()}"

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> CaptionSource:
        """See :meth:`KnowledgeSource.from_recipe`."""
        place = recipe.caption_model
        if place is None:
            raise RecipeError(
                "the knowledge source caption needs knowledge.caption_model: the directory or hub id of a captioning "
                "model, for instance Salesforce/blip-image-captioning-base."
            )
        model = pretrained(AutoModelForImageTextToText, place)
        processor = pretrained(AutoProcessor, place)
        # A vision encoder-decoder has no processor class; AutoProcessor returns its image processor or tokenizer.
        image_processor = getattr(processor, "image_processor", None) or pretrained(AutoImageProcessor, place)
        tokenizer = getattr(processor, "tokenizer", None) or pretrained(AutoTokenizer, place)
        return cls(model, image_processor, tokenizer, recipe.caption_max_tokens)

    @torch.inference_mode()
    def describe(self, contents: Sequence[Any]) -> list[str]:
        """See :meth:`KnowledgeSource.describe`."""
        inputs = self.image_processor(images=list(contents), return_tensors="pt")
        pixels = inputs["pixel_values"].to(self.model.device, self.model.dtype)
        tokens = self.model.generate(pixel_values=pixels, max_new_tokens=self.max_tokens, do_sample=False, num_beams=1)
        if len(tokens) != len(contents):
            raise ModelError(f"the captioning model returned {len(tokens)} captions for {len(contents)} images.")
        return [clean_text(text) for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
