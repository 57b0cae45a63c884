"""Reading of a whole table into memory, for training."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, Features, Value
from datasets.table import InMemoryTable

from clfa.errors import DataError
from clfa.tables.cells import as_text
from clfa.tables.parquet import ParquetTable
from clfa.tables.row import Row
from clfa.tables.table import Table

# Rows converted to columns at a time.
_BLOCK_ROWS = 1000
_TIMES = (datetime.date, datetime.time, datetime.timedelta)


@dataclass(frozen=True)
class CollectedTable:
    """All rows of a table.

    Args:
        data: Rows without an error.
        numbers: Number of each of these rows, as in :class:`clfa.tables.row.Row`.
        bad: Rows with an error, without values.
        mixed: Cells of the columns of mixed types as they are in the table; ``data`` has them as text.
    """

    data: Dataset
    numbers: list[int]
    bad: list[Row]
    mixed: Mapping[str, list[Any]] = field(default_factory=dict)


def collect(table: Table) -> CollectedTable:
    """Read all rows of a table. A column of mixed types is converted to text.

    Raises:
        DataError: If the table is damaged, or has neither a readable row nor a column.
    """
    if isinstance(table, ParquetTable):
        # Keep the types of its columns, including class labels and images.
        data = Dataset(InMemoryTable(_storable(table.arrow())))
        return CollectedTable(data, list(range(1, len(data) + 1)), [])
    columns: dict[str, list[Any]] = {name: [] for name in table.columns} if table.declares_columns else {}
    numbers: list[int] = []
    bad: list[Row] = []
    rows = table.rows()
    while block := list(islice(rows, _BLOCK_ROWS)):
        good = [row for row in block if row.error is None]
        bad += [row for row in block if row.error is not None]
        if not table.declares_columns:
            for row in good:
                if not columns.keys() >= row.values.keys():
                    columns |= {name: [None] * len(numbers) for name in row.values if name not in columns}
        for name, cells in columns.items():
            cells += [row.values.get(name) for row in good]
        numbers += [row.number for row in good]
    if not columns:
        raise DataError(f"{table.path}: the file contains no objects" + (f"; {bad[0].error}" if bad else ""))
    data = from_columns(columns)
    texts = [name for name in columns if data.features[name] == Value("string")]
    mixed = {name: columns[name] for name in texts if any(map(_is_other, columns[name]))}
    return CollectedTable(data, numbers, bad, mixed)


def _is_other(cell: Any) -> bool:
    return cell is not None and not isinstance(cell, str)


def from_columns(columns: Mapping[str, list[Any]]) -> Dataset:
    """Return a data set from columns of Python values; a column of mixed types is converted to text."""
    return Dataset(InMemoryTable.from_pydict({name: _array(values) for name, values in columns.items()}))


def _storable(table: pa.Table) -> pa.Table:
    """Return a table whose columns of types that a ``Dataset`` does not have (maps) are texts."""
    for position, column in enumerate(table.schema):
        if not _has_feature(column.type):
            cells = _texts(table.column(position).to_pylist())
            table = table.set_column(position, column.name, cells)
    return table


def _has_feature(kind: pa.DataType) -> bool:
    try:
        Features.from_arrow_schema(pa.schema({"column": kind}))
    except (ValueError, NotImplementedError):
        return False
    return True


def _array(values: list[Any]) -> pa.Array:
    texts = any(isinstance(value, str) for value in values)
    if any(map(_is_truth, values)) and not all(value is None or _is_truth(value) for value in values):
        # Arrow may make numbers of truth values that stand beside numbers.
        return _texts(values)
    if any(isinstance(value, _TIMES) or (texts and not isinstance(value, str | None)) for value in values):
        # Arrow would make bytes of texts that stand beside bytes, and takes times that it cannot give back.
        return _texts(values)
    try:
        found = pa.array(values)
    except (pa.ArrowException, TypeError, OverflowError, UnicodeEncodeError, ArithmeticError):
        return _texts(values)
    return found if _has_feature(found.type) else _texts(values)


def _is_truth(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _texts(values: list[Any]) -> pa.Array:
    return pa.array([value if value is None else as_text(value) for value in values], pa.string())
