"""Export of knowledge texts to a Parquet file."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.data.schema import Corpus


def write_knowledge(corpus: Corpus, path: str | os.PathLike[str]) -> dict[str, tuple[int, int]]:
    """Write id, split and knowledge text of every sample to a Parquet file.

    Args:
        corpus: A corpus with filled knowledge column.
        path: File to write, atomically.

    Returns:
        For each split the number of samples with a knowledge text, and the number of all samples.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    columns: dict[str, list[str | None]] = {"id": [], "split": [], "knowledge": []}
    counts: dict[str, tuple[int, int]] = {}
    for name, split in corpus.splits.items():
        texts = split["knowledge"][:]
        columns["id"] += split["id"][:]
        columns["split"] += [name] * len(texts)
        columns["knowledge"] += texts
        counts[str(name)] = (sum(bool(text) for text in texts), len(texts))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return counts
