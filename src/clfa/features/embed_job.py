"""A job that computes guide embeddings and features of frozen encoders for large tables, as Parquet shards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from clfa.data.image_check import reason_of
from clfa.data.images import image_key, image_name, load_image, read_image_bytes
from clfa.errors import ImageError, RecipeError
from clfa.jobs.wanted import WantedColumns
from clfa.jobs.worker import Job, Outcome, ResultShape, Worker
from clfa.progress import silenced
from clfa.store import ABSENT_KEY, KEY_BYTES, FeatureStore, single_keys, text_key
from clfa.tables.cells import Cells
from clfa.tables.columns import run_names
from clfa.tables.pictures import as_cell, pictures_of

# Field metadata: the column's place in a cache directory, the width and dtype of its rows, and its key column.
STORE, WIDTH, DTYPE, KEY = b"clfa.store", b"clfa.width", b"clfa.dtype", b"clfa.key"
# Column of the further images of posts with several: their keys and arrays, named like the columns of the first image.
MORE_IMAGES = "more_images"


@dataclass(frozen=True)
class EmbedJob(Job):
    """Embed every row as a training run with the same recipe would.

    Args:
        recipe: ``Recipe.model_dump()``. The embeddings of its guide, if any, and the features of its completely frozen
            encoders are computed. All machines must be able to read the paths in it.
        batch_size: Rows per batch; the images of a batch are in memory together.
        text: Text column.
        image: Image column: paths (relative to the table's folder), fsspec addresses, encoded bytes, or lists of these.
        identifier: Id column; the row number is the id if the column does not exist.
    """

    recipe: dict[str, Any]
    batch_size: int = 64
    text: str = "text"
    image: str = "image"
    identifier: str = "id"

    kind: ClassVar[str] = "embed"
    doing: ClassVar[str] = "embedding"

    def open(self) -> Worker:
        """See :meth:`clfa.jobs.worker.Job.open`.

        Raises:
            RecipeError: When the recipe has nothing to compute, or its guide is not fitted yet.
            ModelError: When an encoder or the guide cannot be loaded.
        """
        return EmbedWorker(self)


@dataclass(frozen=True)
class _Column:
    """A column of arrays: name, side, place in the cache, and storage format."""

    name: str
    side: str
    place: str
    width: int
    dtype: str
    ragged: bool

    def more(self) -> pa.Field:
        """Return the field of a further image in :data:`MORE_IMAGES`."""
        return pa.field(self.name, pa.large_binary() if self.ragged else pa.list_(pa.float32()))

    def field(self) -> pa.Field:
        """Return the field of the text, or of the only or first image."""
        kind = pa.large_binary() if self.ragged else pa.list_(pa.float32(), self.width)
        metadata = {STORE: self.place, WIDTH: str(self.width), DTYPE: self.dtype, KEY: f"{self.side}_key"}
        return pa.field(self.name, kind, metadata=metadata)

    def read(self, cache: Path, keys: Sequence[bytes]) -> list[Any]:
        store = FeatureStore(cache / self.place, self.width, self.dtype)
        arrays = [None if key == ABSENT_KEY else store[key] for key in keys]
        return [a if a is None else a.tobytes() if self.ragged else np.array(a[0]) for a in arrays]


class EmbedWorker(Worker):
    """Computes the arrays of rows with a recipe's encoders and guide.

    It uses the code that fills a training run's caches, with a temporary cache that is emptied after every batch.
    Therefore a run reads, after :func:`clfa.features.import_features.import_features`, the values that it would have
    computed.

    Args:
        job: The recipe and the columns.
    """

    def __init__(self, job: EmbedJob) -> None:
        # Imported here because a worker's environment variables must be set first.
        from clfa.guides import GuideContext
        from clfa.guides.create import create_guide
        from clfa.recipe import validate_recipe
        from clfa.runs.encoders import load_encoders
        from clfa.runs.names import check_names

        recipe = validate_recipe(job.recipe)
        check_names(recipe)
        self._folder = tempfile.TemporaryDirectory(prefix="clfa-embed-")
        self._cache = Path(self._folder.name)
        encoders = load_encoders(recipe, self._cache)
        model = recipe.model
        self._encoders = [encoder for encoder in (encoders.text, encoders.image) if encoder is not None]
        self._frozen = []
        columns = []
        for side, encoder, frozen in (
            ("text", encoders.text, model.freeze_text_encoder),
            ("image", encoders.image, model.freeze_vision_encoder),
        ):
            if encoder is not None and frozen is True and recipe.training.cache_features:
                self._frozen.append((side, encoder))
                for kind, store in (("tokens", encoder.tokens), ("pooled", encoder.pooled)):
                    place = store.directory.relative_to(self._cache).as_posix()
                    name = f"{side}_{kind}"
                    columns.append(_Column(name, side, place, store.width, store.dtype.name, kind == "tokens"))
        self._guide = None
        if recipe.guided:
            if recipe.guide.name == "fitted" and "path" not in recipe.guide.options:
                raise RecipeError(
                    "the fitted guide needs the pairs of a training run: train on a part of the data first, then "
                    "give guide.path=RUN/guide here and in the recipe of the large run."
                )
            context = GuideContext(self._cache, model.text_encoder, model.vision_encoder, encoders.text, encoders.image)
            self._guide = create_guide(recipe.guide.name, context, recipe.guide.options)
            for side in ("text", "image"):
                place = f"guides/{self._guide.name}-{self._guide.fingerprint}/{side}"
                columns.append(_Column(f"guide_{side}", side, place, self._guide.dim, "float32", False))
        if not columns:
            raise RecipeError(
                f"recipe {recipe.name!r} has nothing to compute beforehand: it has no guide and no completely frozen "
                "encoder (model.freeze_text_encoder=true, model.freeze_vision_encoder=true)."
            )
        self._columns = columns
        sides = {column.side for column in columns}
        fields = [pa.field(f"{side}_key", pa.binary(KEY_BYTES)) for side in ("text", "image") if side in sides]
        fields += [column.field() for column in columns]
        self._sides = sides
        self._of_images = [column for column in columns if column.side == "image"]
        self._max_images = recipe.data.max_images
        if self._of_images:
            further = [pa.field("image_key", pa.binary(KEY_BYTES)), *(column.more() for column in self._of_images)]
            fields.append(pa.field(MORE_IMAGES, pa.list_(pa.struct(further))))
        self.shape = ResultShape(pa.schema(fields), json=False)
        given, run = run_names({"id": job.identifier, "text": job.text, "image": job.image})
        required = tuple(side for side in ("text", "image") if side in sides)
        self.columns = WantedColumns(given, run, required, access=recipe.data.access)
        self.window_size = job.batch_size
        self.identity = {
            "the encoders or the guide": {column.name: column.place for column in columns},
            "the columns": self.columns.to_dict(),
        }

    def __call__(self, rows: Sequence[Cells]) -> list[Outcome]:
        """See :meth:`clfa.jobs.worker.Worker.__call__`."""
        from clfa.guides.base import Pairs

        outcomes = [Outcome() for _ in rows]
        texts = [row.text or "" for row in rows]
        images: list[Any] = [None] * len(rows)
        keys = {"text": [text_key(text) if text else ABSENT_KEY for text in texts], "image": [ABSENT_KEY] * len(rows)}
        for position, (row, outcome) in enumerate(zip(rows, outcomes, strict=True)):
            try:
                self._read_image(row, position, images, keys["image"])
            except ImageError as error:
                # The text is embedded nevertheless.
                outcome.error = str(error)
                outcome.reason = reason_of(error)
            if outcome.error is None and not any(keys[side][position] for side in self._sides):
                outcome.error = outcome.reason = "neither text nor image"
        contents = {"text": texts, "image": images}
        with silenced():
            for side, encoder in self._frozen:
                encoder.ensure_tokens(contents[side], keys[side])
            if self._guide is not None:
                self._guide.embed_pairs(Pairs(texts, images, keys["text"], keys["image"]), self._cache)
        for side in ("text", "image"):
            if side in self._sides:
                for outcome, key in zip(outcomes, keys[side], strict=True):
                    outcome.values[f"{side}_key"] = key[:KEY_BYTES] or None
        for column in self._columns:
            first = [key[:KEY_BYTES] for key in keys[column.side]]
            for outcome, array in zip(outcomes, column.read(self._cache, first), strict=True):
                outcome.values[column.name] = array
        if self._of_images:
            for outcome, key in zip(outcomes, keys["image"], strict=True):
                outcome.values[MORE_IMAGES] = self._more(single_keys(key)[1:]) or None
        self._forget()
        return outcomes

    def close(self) -> None:
        """See :class:`clfa.jobs.worker.Worker`."""
        self._folder.cleanup()

    def _more(self, keys: Sequence[bytes]) -> list[dict[str, Any]]:
        """Return the further images of a post for :data:`MORE_IMAGES`."""
        arrays = {column.name: column.read(self._cache, keys) for column in self._of_images}
        return [{"image_key": key, **{name: a[i] for name, a in arrays.items()}} for i, key in enumerate(keys)]

    def _read_image(self, row: Cells, position: int, images: list[Any], keys: list[bytes]) -> None:
        """Read the images of a row; of several, those that cannot be read are left out if any can.

        Raises:
            ImageError: If there is an image and none can be read.
        """
        pictures = pictures_of(row.image)[: self._max_images] if "image" in self._sides else []
        read, problem = [], None
        for picture in pictures:
            try:
                read.append(_read(picture))
            except ImageError as error:
                problem = problem or error
        if problem is not None and not read:
            raise problem
        images[position] = as_cell([picture for picture, _ in read])
        keys[position] = b"".join(key for _, key in read)

    def _forget(self) -> None:
        for kind in ("features", "guides"):
            shutil.rmtree(self._cache / kind, ignore_errors=True)
        for encoder in self._encoders:
            for store in (encoder.tokens, encoder.pooled):
                store.directory.mkdir(parents=True, exist_ok=True)
                store.refresh()


def _read(image: Any) -> tuple[Any, bytes]:
    """Return the decoded image and its content key."""
    content = read_image_bytes(image)
    try:
        return load_image(content), image_key(content)
    except ImageError as error:
        raise ImageError(str(error).replace("<image bytes>", image_name(image))) from None
