"""From rows as readers collect them to the typed splits of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypedDict

from datasets import Dataset, DatasetDict

from clfa.data.schema import COLUMNS, SPLITS, schema_features


class EncodedImage(TypedDict):
    """An image as data sets store it: encoded bytes, or where to find them."""

    bytes: bytes | None
    path: str | None


class Row(TypedDict):
    """One sample; the fields of :func:`clfa.data.schema.schema_features`."""

    id: str
    text: str
    image: EncodedImage | None
    knowledge: str | None
    label: int | None


def image_at(path: str) -> EncodedImage:
    """An image to be read from ``path`` (or any fsspec address) when it is needed."""
    return {"bytes": None, "path": path}


def to_dataset(rows: Iterable[Row], label_names: list[str]) -> Dataset:
    """``rows`` with the schema's types."""
    rows = list(rows)
    columns = {column: [row[column] for row in rows] for column in COLUMNS}  # type: ignore[literal-required]
    return Dataset.from_dict(columns, features=schema_features(label_names))


def to_splits(rows: Mapping[str, Iterable[Row]], label_names: list[str]) -> DatasetDict:
    """One data set per split, in the order train, validation, test."""
    return DatasetDict({split: to_dataset(rows[split], label_names) for split in SPLITS if split in rows})
