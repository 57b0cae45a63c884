"""Import of embeddings from Parquet shards into the caches that a training run reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clfa.errors import DataError
from clfa.features.embed_job import DTYPE, KEY, MORE_IMAGES, STORE, WIDTH, EmbedJob
from clfa.jobs.outputs.folder import read_manifest
from clfa.progress import track
from clfa.store import FeatureStore

# Rows per read; with 49 tokens of width 768 in half precision they take 5 MB.
_ROWS = 64


def import_features(source: str | Path, cache: Path) -> dict[str, int]:
    """Copy embeddings and features into a cache directory, where runs with the same recipe find them.

    Existing entries are kept, so that the import can be repeated or continued after an interruption.

    Args:
        source: Finished output folder of :class:`clfa.features.embed_job.EmbedJob`.
        cache: Cache directory.

    Returns:
        Number of entries added, by column.

    Raises:
        DataError: When the folder is not finished or holds other results, or a part or a cache is damaged.
    """
    folder = Path(source)
    manifest = read_manifest(folder)
    if manifest.get("kind") != EmbedJob.kind:
        raise DataError(f"{folder} holds results of {manifest.get('kind')!r}, not embeddings of `clfa data embed`.")
    try:
        parts = [folder / part["file"] for part in manifest["parts"]]
        fields = [field for field in pq.read_schema(parts[0]) if STORE in (field.metadata or {})]
        added = {}
        for field in fields:
            store = FeatureStore(*_place(field, cache))
            before = len(store)
            with store.writer() as write, track(manifest["rows"], field.name) as advance:
                for part in parts:
                    for batch in _batches(part, field):
                        for key, array in _arrays(batch, field, store):
                            write(key, array)
                        advance(batch.num_rows)
            added[field.name] = len(store) - before
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{folder} is damaged: {error}") from error
    return added


def _place(field: pa.Field, cache: Path) -> tuple[Path, int, str]:
    place = field.metadata[STORE].decode()
    target = (cache / place).resolve()
    # The parts may come from an untrusted source and must not write outside the cache.
    if not target.is_relative_to(cache.resolve()):
        raise DataError(f"column {field.name!r} would be written to {target}, outside the cache {cache}.")
    dtype = field.metadata[DTYPE].decode()
    if dtype not in ("float16", "float32"):
        raise DataError(f"column {field.name!r} holds {dtype!r}; it must hold float16 or float32.")
    return target, int(field.metadata[WIDTH]), dtype


def _batches(part: Path, field: pa.Field) -> Iterator[pa.RecordBatch]:
    key = field.metadata[KEY].decode()
    with pq.ParquetFile(part, page_checksum_verification=True) as file:
        if file.schema_arrow.field(field.name).metadata.get(STORE) != field.metadata[STORE]:
            raise DataError(f"{part} was computed by another model than the first part.")
        more = [MORE_IMAGES] if key == "image_key" and MORE_IMAGES in file.schema_arrow.names else []
        yield from file.iter_batches(batch_size=_ROWS, columns=[key, field.name, *more])


def _arrays(batch: pa.RecordBatch, field: pa.Field, store: FeatureStore) -> Iterator[tuple[bytes, np.ndarray]]:
    """Yield keys and arrays (n, width) of a batch's rows; skip rows without an array and entries that exist."""
    for key, value in zip(batch.column(0).to_pylist(), _values(batch.column(1), store), strict=True):
        if key is not None and value is not None and key not in store:
            yield key, value
    for entries in batch.column(2) if batch.num_columns > 2 else ():
        for entry in entries if entries.is_valid else ():
            if (key := entry["image_key"].as_py()) not in store:
                yield key, _array(entry[field.name], store)


def _values(column: Any, store: FeatureStore) -> Iterator[np.ndarray | None]:
    for value in column:
        yield _array(value, store) if value.is_valid else None


def _array(value: Any, store: FeatureStore) -> np.ndarray:
    if pa.types.is_large_binary(value.type):
        return np.frombuffer(value.as_buffer(), store.dtype).reshape(-1, store.width)
    return np.asarray(value.values, np.float32)[None]
