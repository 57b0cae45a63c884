"""A guide without image-text pairs: class probabilities of an image classifier, mapped to the text encoder's space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModelForImageClassification

from clfa.data.images import load_image
from clfa.errors import ModelError, RecipeError
from clfa.guides.base import Guide, GuideContext, check_options
from clfa.modeling.frozen_encoder import FrozenEncoder, weights_fingerprint
from clfa.packages import efficientnet_lite as _efficientnet_lite  # noqa: F401 - registers its Auto classes
from clfa.pretrained import pretrained, pretrained_model
from clfa.progress import track


class ConSEGuide(Guide):
    """Convex combination of semantic embeddings (Norouzi et al., 2014).

    An image is embedded as the sum over classes of the posterior probability times the text encoder's embedding of
    "a photo of a {class}". A text is embedded as its pooled features. Both are in the text encoder's space.

    Args:
        text: The frozen text encoder.
        classifier: Directory, hub id or ``package:NAME`` of an image classifier whose configuration names its classes.
        prompt: Template with one ``{}``.
        batch_size: Images per forward pass.
        image: The student's frozen vision encoder. If it is the classifier's own backbone, its cached features are
            classified, and the network is not run again.

    Raises:
        ModelError: When the classifier cannot be loaded or has no class names.
        RecipeError: When the prompt has no ``{}``.
    """

    name: ClassVar[str] = "conse"

    def __init__(
        self,
        text: FrozenEncoder,
        classifier: str,
        prompt: str = "a photo of a {}",
        batch_size: int = 8,
        image: FrozenEncoder | None = None,
    ) -> None:
        if "{}" not in prompt:
            raise RecipeError(f"guide.prompt is {prompt!r}; it needs a {{}} in the place of the class name.")
        self.text = text
        self.prompt = prompt
        self.batch_size = batch_size
        self.classifier = pretrained_model(AutoModelForImageClassification, classifier).eval().requires_grad_(False)
        self.image_processor = pretrained(AutoImageProcessor, classifier)
        names = [self.classifier.config.id2label[i] for i in range(self.classifier.config.num_labels)]
        if all(name.startswith("LABEL_") for name in names):
            raise ModelError(f"{classifier!r} has no class names (config.id2label); the conse guide needs them.")
        self.image = image if image is not None and self._is_backbone(image) else None
        self.dim = text.width
        self.class_names = names
        self.fingerprint = weights_fingerprint(
            self.classifier, self.image_processor.to_dict(), prompt, names, text.fingerprint
        )

    @cached_property
    def class_embeds(self) -> np.ndarray:
        """Embeddings of the class prompts (classes, ``dim``); only needed for images that are not cached yet."""
        return self.embed_texts([self.prompt.replace("{}", name) for name in self.class_names])

    @classmethod
    def from_context(cls, context: GuideContext, classifier: str | None = None, **options: Any) -> ConSEGuide:
        """See :meth:`Guide.from_context`. The default classifier is the student's vision encoder.

        Raises:
            RecipeError: When an option is unknown, or the run has no text encoder or no classifier.
        """
        check_options(cls.name, options, ("classifier", "prompt", "batch_size"))
        classifier = classifier or context.vision_encoder
        if context.text_features is None or classifier is None:
            raise RecipeError("the conse guide needs a text encoder and an image classifier (guide.classifier).")
        return cls(context.text_features, classifier, image=context.image_features, **options)

    def _is_backbone(self, image: FrozenEncoder) -> bool:
        """Return whether the classifier can be applied to the pooled features of ``image``."""
        return hasattr(self.classifier, "classify_pooled") and weights_fingerprint(
            self.classifier.base_model, self.image_processor.to_dict()
        ) == weights_fingerprint(image.encoder, image.processor.image_processor.to_dict())

    @torch.inference_mode()
    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Return L2-normalised pooled text features; see :meth:`Guide.embed_texts`."""
        pooled = np.empty((len(texts), self.dim), np.float32)
        for positions, arrays in self.text.encode_texts(texts, list(range(len(texts)))):
            for position, array in zip(positions, arrays, strict=True):
                pooled[position] = array.mean(axis=0)
        return pooled / np.maximum(np.linalg.norm(pooled, axis=1, keepdims=True), 1e-12)

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Any]) -> np.ndarray:
        """Return class embeddings weighted by the posterior; see :meth:`Guide.embed_images`.

        Raises:
            ImageError: When an image cannot be read; the message names it.
        """
        if self.image is not None:
            keys = [self.image.key(image) for image in images]
            self.image.ensure_pooled(images, keys)
            return self._embed_logits(self.classifier.classify_pooled(torch.from_numpy(self.image.pooled_matrix(keys))))
        rows = []
        with track(len(images), "guide: class posteriors") as advance:
            for start in range(0, len(images), self.batch_size):
                batch = [load_image(image) for image in images[start : start + self.batch_size]]
                pixels = self.image_processor(images=batch, return_tensors="pt")["pixel_values"]
                rows.append(self._embed_logits(self.classifier(pixels).logits))
                advance(len(batch))
        return np.concatenate(rows)

    def _embed_logits(self, logits: torch.Tensor) -> np.ndarray:
        return (logits.float().softmax(dim=-1).numpy() @ self.class_embeds).astype(np.float32)
