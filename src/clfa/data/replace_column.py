"""Replacement of a column's values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from datasets import (
    Dataset,
    Features,
    are_progress_bars_disabled,
    concatenate_datasets,
    disable_progress_bars,
    enable_progress_bars,
)


def replace_column(split: Dataset, name: str, values: Sequence[Any]) -> Dataset:
    """Return a split with other values in one column; the types and the order of the columns stay.

    Args:
        split: N rows.
        name: A column of the split.
        values: N values.
    """
    column = Dataset.from_dict({name: values}, features=Features({name: split.features[name]}))
    with _without_bars():
        joined = concatenate_datasets([split.remove_columns(name), column], axis=1)
    return joined.select_columns(list(split.features))


@contextmanager
def _without_bars() -> Iterator[None]:
    """Disable the progress bars of Datasets."""
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()
