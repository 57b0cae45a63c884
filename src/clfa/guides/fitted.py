"""A guide fitted on unlabelled pairs in seconds, for use where no CLIP exists for the domain or language."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, TypeAdapter, ValidationError
from safetensors.numpy import load_file, save_file
from torch import nn

from clfa.errors import DataError, ModelError, RecipeError
from clfa.guides.base import Guide, GuideContext, Pairs, check_options
from clfa.guides.conse import ConSEGuide
from clfa.guides.whitening import Whitening
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss
from clfa.modeling.frozen_encoder import FrozenEncoder

logger = logging.getLogger(__name__)

MIN_PAIRS = 16
_GUIDE_FILE = "guide.json"
_WEIGHTS_FILE = "guide.safetensors"


@dataclass(frozen=True)
class FittedSettings:
    """How a :class:`FittedGuide` is fitted.

    Args:
        dim: Width of the guide's space.
        text_components: Number of principal components of the pooled text features.
        image_components: Number of principal components of the pooled image features.
        conse: Whether ConSE vectors are a further image input, if the vision encoder is a classifier with class names.
        conse_components: Number of principal components of the ConSE vectors.
        dropout: Dropout on the whitened inputs.
        epochs: Passes over the pairs.
        batch_size: Pairs per step; the other pairs of the batch are the negatives.
        learning_rate: AdamW's learning rate.
        weight_decay: AdamW's weight decay.
        temperature: Temperature of the contrastive loss.
    """

    dim: PositiveInt = 128
    text_components: PositiveInt = 128
    image_components: PositiveInt = 128
    conse: bool = True
    conse_components: PositiveInt = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5
    epochs: PositiveInt = 40
    batch_size: Annotated[int, Field(ge=2)] = 256
    learning_rate: PositiveFloat = 1e-3
    weight_decay: NonNegativeFloat = 1e-2
    temperature: PositiveFloat = 0.1


class FittedGuide(Guide):
    """One linear map per modality over PCA-whitened pooled features of the student's own frozen encoders.

    The maps are fitted on the pairs with InfoNCE; labels are not used. The image input is the pooled features and, if
    the vision encoder is a classifier with class names, the ConSE vectors.

    Args:
        text: The frozen text encoder.
        image: The frozen vision encoder.
        settings: Settings of the fit.
        text_whitening: Whitening of the pooled text features.
        image_whitenings: Whitening of the pooled image features and, with ConSE, of the ConSE vectors.
        text_map: (text components, ``dim``).
        image_map: (sum of image components, ``dim``).
        conse: The ConSE guide, if used.
        cache: Cache directory of the ConSE vectors; needed with ``conse``.
    """

    name: ClassVar[str] = "fitted"

    def __init__(
        self,
        text: FrozenEncoder,
        image: FrozenEncoder,
        settings: FittedSettings,
        text_whitening: Whitening,
        image_whitenings: list[Whitening],
        text_map: np.ndarray,
        image_map: np.ndarray,
        conse: ConSEGuide | None = None,
        cache: Path | None = None,
    ) -> None:
        self.text, self.image, self.settings, self.conse, self.cache = text, image, settings, conse, cache
        self.text_whitening, self.image_whitenings = text_whitening, image_whitenings
        self.text_map, self.image_map = text_map, image_map
        self.dim = text_map.shape[1]
        digest = hashlib.blake2b(digest_size=16)
        digest.update("".join(self._sources()).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        self.fingerprint = digest.hexdigest()

    @classmethod
    def from_context(cls, context: GuideContext, path: str | None = None, **options: Any) -> FittedGuide:
        """Load the guide saved at ``path``, or fit one on ``context.pairs``; see :meth:`Guide.from_context`.

        A fitted guide is cached by its pairs, encoders, settings and seed, and loaded from the cache the next time.

        Raises:
            RecipeError: When the run lacks an encoder, or an option is unknown or out of range.
            DataError: When there are fewer than 16 pairs, or all texts or all images are equal.
        """
        text, image = context.text_features, context.image_features
        if text is None or image is None:
            raise RecipeError("the fitted guide needs both a text and a vision encoder.")
        check_options(cls.name, options, ("path", *FittedSettings.__dataclass_fields__))
        if path is not None:
            return cls.load(Path(path), context)
        settings = _settings(options)
        pairs = context.pairs
        if pairs is None or len(pairs) < MIN_PAIRS:
            found = 0 if pairs is None else len(pairs)
            raise DataError(f"fitting a guide needs at least {MIN_PAIRS} image-text pairs; the data has {found}.")
        conse = _conse_for(context) if settings.conse else None
        digest = hashlib.blake2b(digest_size=16)
        sources = [text.fingerprint, image.fingerprint, conse.fingerprint if conse else ""]
        digest.update(json.dumps([sources, asdict(settings), context.seed], sort_keys=True).encode())
        for keys in (pairs.text_keys, pairs.image_keys):
            digest.update(b"".join(keys))
        kept = context.cache / "guides" / "fitted" / digest.hexdigest()
        if (kept / _GUIDE_FILE).is_file():
            return cls._load(kept, text, image, conse, context.cache)
        guide = cls._fit(pairs, text, image, conse, settings, context.seed, context.cache)
        guide.save(kept)
        return guide

    @classmethod
    def _fit(
        cls,
        pairs: Pairs,
        text: FrozenEncoder,
        image: FrozenEncoder,
        conse: ConSEGuide | None,
        settings: FittedSettings,
        seed: int,
        cache: Path,
    ) -> FittedGuide:
        text.ensure_pooled(pairs.texts, pairs.text_keys)
        image.ensure_pooled(pairs.images, pairs.image_keys)
        text_features = text.pooled_matrix(pairs.text_keys)
        image_features = [image.pooled_matrix(pairs.image_keys)]
        components = [settings.image_components]
        if conse is not None:
            image_features.append(conse.embed_cached("image", pairs.images, pairs.image_keys, cache))
            components.append(settings.conse_components)
        text_whitening = Whitening.fit(text_features, settings.text_components)
        image_whitenings = [Whitening.fit(f, k) for f, k in zip(image_features, components, strict=True)]
        for side, whitening in (("texts", text_whitening), ("images", image_whitenings[0])):
            if not whitening.map.shape[1]:
                raise DataError(f"a guide cannot be fitted: the {side} of all {len(pairs)} pairs are equal.")
        text_map, image_map = fit_linear_maps(
            text_whitening(text_features),
            np.concatenate([w(f) for w, f in zip(image_whitenings, image_features, strict=True)], axis=1),
            settings,
            seed,
        )
        return cls(text, image, settings, text_whitening, image_whitenings, text_map, image_map, conse, cache)

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """See :meth:`Guide.embed_texts`."""
        keys = [self.text.key(text) for text in texts]
        self.text.ensure_pooled(texts, keys)
        return self.text_whitening(self.text.pooled_matrix(keys)) @ self.text_map

    def embed_images(self, images: Sequence[Any]) -> np.ndarray:
        """See :meth:`Guide.embed_images`.

        Raises:
            ImageError: When an image cannot be read; the message names it.
        """
        keys = [self.image.key(image) for image in images]
        self.image.ensure_pooled(images, keys)
        features = [self.image.pooled_matrix(keys)]
        if self.conse is not None:
            assert self.cache is not None
            features.append(self.conse.embed_cached("image", images, keys, self.cache))
        whitened = [w(f) for w, f in zip(self.image_whitenings, features, strict=True)]
        return np.concatenate(whitened, axis=1) @ self.image_map

    def _sources(self) -> list[str]:
        return [self.text.fingerprint, self.image.fingerprint, self.conse.fingerprint if self.conse else ""]

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {"text_map": self.text_map, "image_map": self.image_map}
        for name, whitenings in (("text", [self.text_whitening]), ("image", self.image_whitenings)):
            for number, whitening in enumerate(whitenings):
                arrays[f"{name}_whitening.{number}.mean"] = whitening.mean
                arrays[f"{name}_whitening.{number}.map"] = whitening.map
        return arrays

    def save(self, directory: Path) -> None:
        """Write the maps, the settings and the fingerprints of the encoders; :meth:`load` reads them."""
        directory.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=directory.parent))
        save_file({k: np.ascontiguousarray(v) for k, v in self._arrays().items()}, temporary / _WEIGHTS_FILE)
        description = {"guide": self.name, "sources": self._sources(), "settings": asdict(self.settings)}
        (temporary / _GUIDE_FILE).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        if directory.exists():
            shutil.rmtree(directory)
        os.replace(temporary, directory)

    @classmethod
    def load(cls, directory: Path, context: GuideContext) -> FittedGuide:
        """Load a saved guide for use with the same encoders.

        Args:
            directory: Directory that :meth:`save` wrote.
            context: Provides the encoders.

        Raises:
            ModelError: When the directory holds no guide, or the guide was fitted on other encoders.
            RecipeError: When the run lacks an encoder.
        """
        if not (directory / _GUIDE_FILE).is_file():
            raise ModelError(f"{str(directory)!r} is not a fitted guide: {_GUIDE_FILE} is missing.")
        description = json.loads((directory / _GUIDE_FILE).read_text(encoding="utf-8"))
        text, image = context.text_features, context.image_features
        if text is None or image is None:
            raise RecipeError("the fitted guide needs both a text and a vision encoder.")
        conse = _conse_for(context) if description["sources"][2] else None
        return cls._load(directory, text, image, conse, context.cache)

    @classmethod
    def _load(
        cls, directory: Path, text: FrozenEncoder, image: FrozenEncoder, conse: ConSEGuide | None, cache: Path
    ) -> FittedGuide:
        description = json.loads((directory / _GUIDE_FILE).read_text(encoding="utf-8"))
        sources = [text.fingerprint, image.fingerprint, conse.fingerprint if conse else ""]
        if sources != description["sources"]:
            raise ModelError(
                f"the guide in {str(directory)!r} was fitted on other encoders than this run's; "
                "use the same text and vision encoder, or leave out guide.path to fit a new guide."
            )
        arrays = load_file(directory / _WEIGHTS_FILE)

        def whitenings(name: str) -> list[Whitening]:
            count = sum(key.startswith(f"{name}_whitening.") and key.endswith(".mean") for key in arrays)
            return [
                Whitening(arrays[f"{name}_whitening.{i}.mean"], arrays[f"{name}_whitening.{i}.map"])
                for i in range(count)
            ]

        return cls(
            text,
            image,
            FittedSettings(**description["settings"]),
            whitenings("text")[0],
            whitenings("image"),
            arrays["text_map"],
            arrays["image_map"],
            conse,
            cache,
        )


def _settings(options: dict[str, Any]) -> FittedSettings:
    try:
        return TypeAdapter(FittedSettings).validate_python(options)
    except ValidationError as error:
        problems = (
            f"guide.{problem['loc'][0]}: {problem['msg']} (got {problem['input']!r})" for problem in error.errors()
        )
        raise RecipeError("; ".join(problems)) from error


def _conse_for(context: GuideContext) -> ConSEGuide | None:
    """Return the ConSE guide of the student's encoders, or ``None`` if the vision encoder has no class names."""
    try:
        return ConSEGuide.from_context(context)
    except (ModelError, RecipeError) as error:
        logger.warning("fitted guide without ConSE vectors: %s", error)
        return None


def fit_linear_maps(
    texts: np.ndarray, images: np.ndarray, settings: FittedSettings, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit one linear map per modality with symmetric InfoNCE.

    Args:
        texts: Whitened text features (N, Kt).
        images: Whitened image features (N, Ki); row i belongs to the same pair as row i of ``texts``.
        settings: Settings of the fit.
        seed: Seed of initialisation, order and dropout.

    Returns:
        Text map (Kt, dim) and image map (Ki, dim).
    """
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.from_numpy(texts), torch.from_numpy(images)
    maps = [
        nn.Parameter(torch.randn(z.shape[1], settings.dim, generator=generator) * z.shape[1] ** -0.5) for z in (x, y)
    ]
    optimizer = torch.optim.AdamW(maps, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    loss_function = GuidedContrastiveLoss(settings.temperature)
    keep = 1.0 - settings.dropout

    def dropped(z: torch.Tensor) -> torch.Tensor:
        return z * (torch.rand(z.shape, generator=generator) < keep) / keep

    size = min(settings.batch_size, len(x))
    for _ in range(settings.epochs):
        order = torch.randperm(len(x), generator=generator)
        for start in range(0, len(x) - size + 1, size):
            batch = order[start : start + size]
            student, teacher = dropped(x[batch]) @ maps[0], dropped(y[batch]) @ maps[1]
            # The loss detaches its second argument; calling it both ways trains both maps.
            loss = loss_function(student, teacher) + loss_function(teacher, student)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return maps[0].detach().numpy(), maps[1].detach().numpy()
