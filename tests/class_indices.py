"""Class indices of a split with the default label."""

from __future__ import annotations

from datasets import Dataset


def class_indices(split: Dataset) -> list[int | None]:
    """The class of each sample, ``None`` where it has none."""
    return [None if row is None else int(row[0]) for row in split["targets"][:]]
