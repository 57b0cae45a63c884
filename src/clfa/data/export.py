"""Writing a cleaned data set and the list of what was left out."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from datasets import Features, Value

from clfa.data.columns import UNLABELLED
from clfa.data.images import is_address, read_image_bytes
from clfa.data.schema import Corpus, Dropped, schema_features
from clfa.files import atomic_write

_BATCH = 256


def write_parquet(corpus: Corpus, path: str | os.PathLike[str], *, embed_images: bool = False) -> int:
    """Write all samples to one Parquet file that the ``table`` reader reads back, class names and splits included.

    Args:
        corpus: What to write; its unlabelled pairs get the split ``unlabelled``.
        path: File to write; it appears only when complete.
        embed_images: Put the encoded images into the file instead of paths. Paths of local images are written
            relative to the file's folder, so that the two can move together.

    Returns:
        Number of rows.

    Raises:
        ImageError: With ``embed_images``, an image that cannot be read.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    features = Features({**schema_features(corpus.label_names), "split": Value("string")})
    schema = features.arrow_schema
    parts = dict(corpus.splits)
    if corpus.unlabelled is not None:
        parts[UNLABELLED] = corpus.unlabelled
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    rows = 0
    try:
        with temporary.open("wb") as file, pq.ParquetWriter(file, schema) as writer:
            for name, part in parts.items():
                for start in range(0, len(part), _BATCH):
                    batch: dict[str, list[Any]] = dict(part[start : start + _BATCH])
                    batch["image"] = [_stored(image, target.parent, embed_images) for image in batch["image"]]
                    batch["split"] = [name] * len(batch["id"])
                    writer.write_table(pa.table(batch, schema=schema))
                    rows += len(batch["id"])
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return rows


def _stored(image: dict[str, Any] | None, folder: Path, embed: bool) -> dict[str, Any] | None:
    if image is None:
        return None
    path = image.get("path")
    if embed:
        return {"bytes": read_image_bytes(image), "path": os.path.basename(path) if path else None}
    if image.get("bytes") is not None or not path or is_address(path):
        return image
    return {"bytes": None, "path": os.path.relpath(path, folder.resolve())}


def write_dropped(dropped: Iterable[Dropped], path: str | os.PathLike[str]) -> None:
    """Write a CSV file with one line per sample left out: id, split, source, reason, detail."""
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "split", "source", "reason", "detail"])
        for sample in dropped:
            writer.writerow([sample.id, sample.split, sample.source, sample.reason, sample.detail])
