"""Export of a cleaned data set and of the list of dropped samples."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import ClassLabel, Features, List, Value

from clfa.data.columns import UNLABELLED
from clfa.data.images import load_image, read_image_bytes
from clfa.data.schema import Corpus, Dropped, schema_features
from clfa.errors import DataError, ImageError
from clfa.files import atomic_path, atomic_write
from clfa.sheets import SheetWriter
from clfa.tables.paths import is_address
from clfa.tables.pictures import pictures_of
from clfa.targets.default_label import is_default_label
from clfa.targets.fields import LABEL
from clfa.targets.target import Target, label_slices

logger = logging.getLogger(__name__)

_BATCH = 256
_UNUSABLE, _OUTSIDE = "unusable", "outside"


def write_parquet(corpus: Corpus, path: str | os.PathLike[str], *, embed_images: bool = False) -> int:
    """Write all samples, with class names and splits, to one Parquet file for the ``table`` reader.

    Each target has a column with its name: the class, the list of classes, or the number. The default label is a column
    ``label`` of class indices with their names (``datasets.ClassLabel``).

    Args:
        corpus: The corpus; its unlabelled pairs get the split ``unlabelled``.
        path: File to write; it appears only when it is complete.
        embed_images: Write the encoded images instead of their paths. Paths of local images are written relative to
            the file's folder, so that both can be moved together.

    Content is written only if it can be decoded as an image; a row whose image cannot, or may not be opened, has none.
    A warning counts them, and paths that lead out of the file's folder.

    Returns:
        Number of rows.

    Raises:
        ImageError: With ``embed_images``, if an image cannot be read.
        DataError: If a target has the name of another column of the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    columns = schema_features(corpus.targets, several_images=corpus.several_images)
    del columns["targets"]
    taken = [target.name for target in corpus.targets if target.name in (*columns, "split")]
    if taken:
        raise DataError(f"target {taken[0]!r} has the name of another column of the file; rename the target")
    features = Features({**columns, **_target_features(corpus.targets), "split": Value("string")})
    schema = features.arrow_schema
    parts = dict(corpus.splits)
    if corpus.unlabelled is not None:
        parts[UNLABELLED] = corpus.unlabelled
    rows = 0
    counts: Counter[str] = Counter()
    with atomic_path(target) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        for name, part in parts.items():
            for start in range(0, len(part), _BATCH):
                batch: dict[str, list[Any]] = dict(part[start : start + _BATCH])
                batch["image"] = [_stored(image, target.parent, embed_images, counts) for image in batch["image"]]
                batch |= _target_columns(batch.pop("targets"), corpus.targets)
                batch["split"] = [name] * len(batch["id"])
                writer.write_table(pa.table(batch, schema=schema))
                rows += len(batch["id"])
    if counts[_UNUSABLE]:
        logger.warning("%s: %d images are left out: they cannot be decoded", path, counts[_UNUSABLE])
    if counts[_OUTSIDE]:
        logger.warning(
            "%s: %d images are not in its folder; reading it needs allow_outside, or write the images into it with "
            "embed_images",
            path,
            counts[_OUTSIDE],
        )
    return rows


def _target_features(targets: Sequence[Target]) -> dict[str, Any]:
    if is_default_label(targets) and targets[0].column_kind == "text":
        # ClassLabel stores the class names in the file.
        return {LABEL: ClassLabel(names=list(targets[0].label_names))}
    types = {
        "text": Value("string"),
        "texts": List(Value("string")),
        "number": Value("float64"),
        "int": Value("int64"),
        "bool": Value("bool"),
    }
    return {target.name: types[target.column_kind] for target in targets}


def _target_columns(rows: list[list[float] | None], targets: Sequence[Target]) -> dict[str, list[Any]]:
    """Return one column per target: classes or numbers, or the class indices of the default label's texts."""
    if is_default_label(targets) and targets[0].column_kind == "text":
        return {LABEL: [None if row is None else int(row[0]) for row in rows]}
    width = sum(target.width for target in targets)
    vectors = [np.full(width, np.nan) if row is None else np.array(row, dtype=float) for row in rows]
    return {
        target.name: [_as_column(target.describe(vector[own]), target.column_kind) for vector in vectors]
        for target, own in label_slices(targets)
    }


def _as_column(value: Any, kind: str) -> Any:
    if value is None or kind not in ("text", "texts"):
        return value
    return str(value) if kind == "text" else list(map(str, value))


def _stored(image: Any, folder: Path, embed: bool, counts: Counter[str]) -> Any:
    if isinstance(image, list):
        return pictures_of([_stored_picture(picture, folder, embed, counts) for picture in image])
    return None if image is None else _stored_picture(image, folder, embed, counts)


def _stored_picture(image: dict[str, Any], folder: Path, embed: bool, counts: Counter[str]) -> dict[str, Any] | None:
    path = image.get("path")
    if embed and image.get("bytes") is None:
        content = read_image_bytes(image)
    elif image.get("bytes") is not None:
        content = image["bytes"]
    else:
        if path and not is_address(path):
            path = os.path.relpath(path, folder.resolve())
            counts[_OUTSIDE] += path.startswith("..")
        return {"bytes": None, "path": path}
    try:
        load_image(content)
    except ImageError:
        counts[_UNUSABLE] += 1
        return None
    return {"bytes": content, "path": os.path.basename(path) if path and embed else path}


def write_dropped(dropped: Iterable[Dropped], path: str | os.PathLike[str], *, raw: bool = False) -> None:
    """Write a CSV file with one line per dropped sample: id, split, source, reason, detail.

    Args:
        dropped: The samples.
        path: File to write.
        raw: Write texts as they are (:mod:`clfa.sheets`).
    """
    with atomic_write(path) as file:
        writer = SheetWriter(file, raw=raw)
        writer.row(["id", "split", "source", "reason", "detail"])
        for sample in dropped:
            writer.row([sample.id, sample.split, sample.source, sample.reason, sample.detail])
