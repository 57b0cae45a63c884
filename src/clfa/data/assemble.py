"""Conversion of a reader's rows to the typed splits of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict

from datasets import Dataset, DatasetDict

from clfa.data.schema import COLUMNS, SPLITS, schema_features
from clfa.targets.default_label import default_label


class EncodedImage(TypedDict):
    """An image as ``datasets`` stores it: encoded bytes, or a path."""

    bytes: bytes | None
    path: str | None


class SampleFields(TypedDict):
    """One sample of a data set with the default label; ``label`` is the class index, or ``None``."""

    id: str
    text: str
    image: EncodedImage | None
    knowledge: str | None
    label: int | None


def image_at(path: str) -> EncodedImage:
    """Return an image that is read from ``path`` (or an fsspec address) when it is needed."""
    return {"bytes": None, "path": path}


def to_dataset(rows: Iterable[SampleFields], label_names: Sequence[str]) -> Dataset:
    """Return ``rows`` as a data set in the schema.

    Args:
        rows: Samples.
        label_names: Class names of the default label in index order.
    """
    rows = list(rows)
    columns: dict[str, list[Any]] = {
        column: [row[column] for row in rows]  # type: ignore[literal-required]
        for column in COLUMNS
        if column != "targets"
    }
    columns["targets"] = [None if row["label"] is None else [float(row["label"])] for row in rows]
    return Dataset.from_dict(columns, features=schema_features([default_label(label_names)]))


def to_splits(rows: Mapping[str, Iterable[SampleFields]], label_names: Sequence[str]) -> DatasetDict:
    """Return one data set per split, in the order train, validation, test.

    Args:
        rows: Samples by split.
        label_names: Class names of the default label in index order.
    """
    return DatasetDict({split: to_dataset(rows[split], label_names) for split in SPLITS if split in rows})
