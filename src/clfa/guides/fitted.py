"""A guide fitted on unlabelled pairs in seconds, for use where no CLIP exists for the domain or language."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, ClassVar, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.numpy import load

from clfa.errors import DataError, ModelError, RecipeError
from clfa.files import atomic_folder, save_tensors, write_json
from clfa.guides.base import Guide, GuideContext, Pairs, check_options
from clfa.guides.conse import ConSEGuide
from clfa.guides.maps import FeatureMap, FittedSettings, fit_maps
from clfa.guides.whitening import Whitening
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.store import mean_row
from clfa.strict_model import problem_text, require_number

logger = logging.getLogger(__name__)

MIN_PAIRS = 16
# Up to this number of pairs all features are in memory (at 1,700 numbers a pair, about 1 GB with the decomposition).
# Above, they are read in chunks and their components are kept in a file, so that the memory does not grow.
IN_MEMORY_PAIRS = 20_000
_CHUNK = 4096
_GUIDE_FILE = "guide.json"
_WEIGHTS_FILE = "guide.safetensors"


class FittedGuide(Guide):
    """One map per modality over PCA-whitened pooled features of the student's own frozen encoders.

    The maps are linear, or have a layer of hidden units. They are fitted on the pairs with InfoNCE; labels are not
    used. The image input is the pooled features and, if the vision encoder is a classifier with class names, the ConSE
    vectors.

    Args:
        text: The frozen text encoder.
        image: The frozen vision encoder.
        settings: Settings of the fit.
        text_whitening: Whitening of the pooled text features.
        image_whitenings: Whitening of the pooled image features and, with ConSE, of the ConSE vectors.
        text_map: Map from the text components.
        image_map: Map from all image components.
        conse: The ConSE guide, if used.
        cache: Cache directory of the ConSE vectors; needed with ``conse``.
    """

    name: ClassVar[str] = "fitted"
    is_fitted: ClassVar[bool] = True

    def __init__(
        self,
        text: FrozenEncoder,
        image: FrozenEncoder,
        settings: FittedSettings,
        text_whitening: Whitening,
        image_whitenings: list[Whitening],
        text_map: FeatureMap,
        image_map: FeatureMap,
        conse: ConSEGuide | None = None,
        cache: Path | None = None,
    ) -> None:
        self.text, self.image, self.settings, self.conse, self.cache = text, image, settings, conse, cache
        self.text_whitening, self.image_whitenings = text_whitening, image_whitenings
        self.text_map, self.image_map = text_map, image_map
        self.dim = text_map.weight.shape[1]
        digest = hashlib.blake2b(digest_size=16)
        digest.update("".join(self._sources()).encode())
        for name, array in sorted(self._arrays().items()):
            digest.update(name.encode() + np.ascontiguousarray(array).tobytes())
        self.fingerprint = digest.hexdigest()

    @classmethod
    def from_context(cls, context: GuideContext, path: str | None = None, **options: Any) -> FittedGuide:
        """Load the guide saved at ``path``, or fit one on the pairs of ``context``; see :meth:`Guide.from_context`.

        A fitted guide is cached by its pairs, encoders, settings and seed, and loaded from the cache the next time.

        Raises:
            RecipeError: When the run lacks an encoder, an option is unknown or out of range, or both ``path`` and other
                pairs are given.
            DataError: When there are fewer than 16 pairs, or all texts or all images are equal.
        """
        text, image = context.text_features, context.image_features
        if text is None or image is None:
            raise RecipeError("the fitted guide needs both a text and a vision encoder.")
        check_options(cls.name, options, ("path", *FittedSettings.__dataclass_fields__))
        if path is not None:
            if context.other_pairs is not None:
                raise RecipeError("guide.path is a guide that is fitted already; leave out guide.pairs or guide.path.")
            return cls.load(Path(path), context)
        settings = _settings(options)
        conse = _conse_for(context) if settings.conse else None
        inputs = _Inputs(text, image, conse, context.cache)
        own = context.pairs or Pairs([], [])
        text_keys, image_keys = [*own.text_keys], [*own.image_keys]
        for pairs in context.other_pairs or ():
            inputs.ensure(pairs)
            text_keys += pairs.text_keys
            image_keys += pairs.image_keys
        if len(text_keys) < MIN_PAIRS:
            found = len(text_keys)
            raise DataError(
                f"fitting a guide needs at least {MIN_PAIRS} image-text pairs; the data has {found}. Name tables of "
                "further pairs in guide.pairs, or train without a guide: guide.name=none, or the recipe fast."
            )
        digest = hashlib.blake2b(digest_size=16)
        sources = [text.fingerprint, image.fingerprint, conse.fingerprint if conse else ""]
        digest.update(json.dumps([sources, asdict(settings), context.seed], sort_keys=True).encode())
        for keys in (text_keys, image_keys):
            digest.update(b"".join(keys))
        kept = context.cache / "guides" / "fitted" / digest.hexdigest()
        if (kept / _GUIDE_FILE).is_file():
            try:
                return cls._load(kept, text, image, conse, context.cache)
            except _DamagedGuideError as error:
                logger.warning("%s It is fitted anew.", error)
                shutil.rmtree(kept)
        inputs.ensure(own)
        guide = cls._fit(text_keys, image_keys, inputs, settings, context.seed)
        # Another process may have fitted the same guide meanwhile.
        with atomic_folder(kept, unless=_GUIDE_FILE) as folder:
            guide.write(folder)
        return guide

    @classmethod
    def _fit(
        cls, text_keys: list[bytes], image_keys: list[bytes], inputs: _Inputs, settings: FittedSettings, seed: int
    ) -> FittedGuide:
        texts = [(inputs.text.pooled_matrix, settings.text_components)]
        images = [(inputs.image.pooled_matrix, settings.image_components)]
        if inputs.conse is not None:
            images.append((inputs.conse_vectors, settings.conse_components))
        with ExitStack() as files:
            text_whitenings, x = _whitened(text_keys, texts, "texts", inputs.cache, files)
            image_whitenings, y = _whitened(image_keys, images, "images", inputs.cache, files)
            text_map, image_map = fit_maps(x, y, settings, seed)
            # A memory map must not outlive its file on Windows.
            del x, y
        return cls(
            inputs.text,
            inputs.image,
            settings,
            text_whitenings[0],
            image_whitenings,
            text_map,
            image_map,
            inputs.conse,
            inputs.cache,
        )

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """See :meth:`Guide.embed_texts`."""
        keys = [self.text.key(text) for text in texts]
        self.text.ensure_pooled(texts, keys)
        return self.text_map(self.text_whitening(self.text.pooled_matrix(keys)))

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
        return self.image_map(_whiten(self.image_whitenings, features))

    def _sources(self) -> list[str]:
        return [self.text.fingerprint, self.image.fingerprint, self.conse.fingerprint if self.conse else ""]

    def _arrays(self) -> dict[str, np.ndarray]:
        arrays = {**self.text_map.arrays("text_map"), **self.image_map.arrays("image_map")}
        for name, whitenings in (("text", [self.text_whitening]), ("image", self.image_whitenings)):
            for number, whitening in enumerate(whitenings):
                arrays[f"{name}_whitening.{number}.mean"] = whitening.mean
                arrays[f"{name}_whitening.{number}.map"] = whitening.map
        return arrays

    def save(self, directory: Path) -> None:
        """Write the maps, the settings and the fingerprints of the encoders; :meth:`load` reads them."""
        with atomic_folder(directory) as folder:
            self.write(folder)

    def write(self, folder: Path) -> None:
        """Write the files of :meth:`save` into an existing folder."""
        save_tensors(folder / _WEIGHTS_FILE, {k: np.ascontiguousarray(v) for k, v in self._arrays().items()})
        description = {
            "guide": self.name,
            "fingerprint": self.fingerprint,
            "sources": self._sources(),
            "settings": asdict(self.settings),
        }
        write_json(folder / _GUIDE_FILE, description)

    @classmethod
    def load(cls, directory: Path, context: GuideContext) -> FittedGuide:
        """Load a saved guide for use with the same encoders.

        Args:
            directory: Directory that :meth:`save` wrote.
            context: Provides the encoders.

        Raises:
            ModelError: When the directory holds no guide, a damaged one, or one that was fitted on other encoders.
            RecipeError: When the run lacks an encoder.
        """
        if not (directory / _GUIDE_FILE).is_file():
            raise ModelError(f"{str(directory)!r} is not a fitted guide: {_GUIDE_FILE} is missing.")
        description = _description(directory)
        text, image = context.text_features, context.image_features
        if text is None or image is None:
            raise RecipeError("the fitted guide needs both a text and a vision encoder.")
        conse = _conse_for(context) if description["sources"][2] else None
        return cls._load(directory, text, image, conse, context.cache)

    @classmethod
    def _load(
        cls, directory: Path, text: FrozenEncoder, image: FrozenEncoder, conse: ConSEGuide | None, cache: Path
    ) -> FittedGuide:
        description = _description(directory)
        sources = [text.fingerprint, image.fingerprint, conse.fingerprint if conse else ""]
        if sources != description["sources"]:
            raise ModelError(
                f"the guide in {str(directory)!r} was fitted on other encoders than this run's; "
                "use the same text and vision encoder, or leave out guide.path to fit a new guide."
            )
        try:
            # Not from the path: safetensors says of any error of the system that there is no file.
            arrays = load((directory / _WEIGHTS_FILE).read_bytes())
        except (FileNotFoundError, SafetensorError) as error:
            raise _DamagedGuideError(f"the guide in {str(directory)!r} is damaged ({error}).") from error
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise _DamagedGuideError(f"the guide in {str(directory)!r} has weights that are not finite numbers.")

        def whitenings(name: str) -> list[Whitening]:
            count = sum(key.startswith(f"{name}_whitening.") and key.endswith(".mean") for key in arrays)
            return [
                Whitening(arrays[f"{name}_whitening.{i}.mean"], arrays[f"{name}_whitening.{i}.map"])
                for i in range(count)
            ]

        try:
            guide = cls(
                text,
                image,
                FittedSettings(**description["settings"]),
                whitenings("text")[0],
                whitenings("image"),
                FeatureMap.from_arrays("text_map", arrays),
                FeatureMap.from_arrays("image_map", arrays),
                conse,
                cache,
            )
        except (KeyError, IndexError, TypeError) as error:
            raise _DamagedGuideError(f"the guide in {str(directory)!r} is damaged ({error!r}).") from error
        # Earlier versions wrote no fingerprint.
        if guide.fingerprint != description.get("fingerprint", guide.fingerprint):
            raise _DamagedGuideError(f"the guide in {str(directory)!r} is damaged: it has another fingerprint.")
        return guide


class _DamagedGuideError(ModelError):
    """A saved guide whose files are not as they were written."""


def _description(directory: Path) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads((directory / _GUIDE_FILE).read_text(encoding="utf-8"))
        if {"sources", "settings"} <= set(description) and len(description["sources"]) == 3:
            return description
        problem = "keys are missing"
    except (ValueError, TypeError, RecursionError) as error:
        problem = str(error)
    raise _DamagedGuideError(f"the guide in {str(directory)!r} is damaged ({_GUIDE_FILE}: {problem}).")


@dataclass
class _Inputs:
    """The sources of the features that a guide is fitted on."""

    text: FrozenEncoder
    image: FrozenEncoder
    conse: ConSEGuide | None
    cache: Path

    def ensure(self, pairs: Pairs) -> None:
        """Compute and cache the features of pairs that are not cached yet."""
        self.text.ensure_pooled(pairs.texts, pairs.text_keys)
        self.image.ensure_pooled(pairs.images, pairs.image_keys)
        if self.conse is not None:
            self._conse_store = self.conse.ensure_embedded("image", pairs.images, pairs.image_keys, self.cache)

    def conse_vectors(self, keys: Sequence[bytes]) -> np.ndarray:
        """Return cached ConSE vectors (len(keys), width)."""
        return np.concatenate([mean_row(self._conse_store, key) for key in keys])


# A function that reads features by content key, and the number of their components.
_Source = tuple[Callable[[Sequence[bytes]], np.ndarray], int]


def _whiten(whitenings: Sequence[Whitening], features: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([w(f) for w, f in zip(whitenings, features, strict=True)], axis=1)


def _whitened(
    keys: Sequence[bytes], sources: Sequence[_Source], side: str, folder: Path, files: ExitStack
) -> tuple[list[Whitening], np.ndarray]:
    """Fit the whitenings of one side; return them and the whitened features (N, K).

    With more than :data:`IN_MEMORY_PAIRS` keys, features are read in chunks and the result is a memory map of a
    temporary file in ``folder``, which ``files`` closes.
    """
    small = len(keys) <= IN_MEMORY_PAIRS
    size = len(keys) if small else _CHUNK
    chunks = [keys[start : start + size] for start in range(0, len(keys), size)]
    whitenings = [
        Whitening.fit(read(keys), count) if small else Whitening.fit_chunks(map(read, chunks), count)
        for read, count in sources
    ]
    if not whitenings[0].map.shape[1]:
        raise DataError(f"a guide cannot be fitted: the {side} of all {len(keys)} pairs are equal.")
    shape = (len(keys), sum(whitening.map.shape[1] for whitening in whitenings))
    if small:
        whitened = np.empty(shape, np.float32)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        file = files.enter_context(TemporaryFile(dir=folder))  # noqa: SIM115 - ``files`` closes it
        whitened = np.memmap(file, np.float32, "w+", shape=shape)
    for number, chunk in enumerate(chunks):
        features = [read(chunk) for read, _ in sources]
        whitened[number * size : number * size + len(chunk)] = _whiten(whitenings, features)
    return whitenings, whitened


def _settings(options: dict[str, Any]) -> FittedSettings:
    kinds = get_type_hints(FittedSettings)
    for name, value in options.items():
        try:
            require_number(value, kinds[name])
        except ValueError as error:
            raise RecipeError(f"guide.{name}: {error} (got {value!r})") from None
    try:
        return TypeAdapter(FittedSettings).validate_python(options)
    except ValidationError as error:
        problems = []
        for found in error.errors():
            got = f" (got {found['input']!r})"
            problems.append(f"guide.{found['loc'][0]}: {problem_text(found, got)}")
        raise RecipeError("; ".join(problems)) from error


def _conse_for(context: GuideContext) -> ConSEGuide | None:
    """Return the ConSE guide of the student's encoders, or ``None`` if the vision encoder has no class names."""
    try:
        return ConSEGuide.from_context(context)
    except (ModelError, RecipeError) as error:
        logger.warning("fitted guide without ConSE vectors: %s", error)
        return None
