"""Tables in memory: data frames, data sets and lists of mappings."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from clfa.errors import DataError
from clfa.tables.missing import is_missing
from clfa.tables.names import column_names
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Table


class MemoryTable(Table):
    """Rows of a pandas ``DataFrame``, a ``datasets.Dataset`` or a list of mappings, with the same rules as for files.

    Args:
        data: The table. Images of a data set stay encoded, so that a broken image is an error of its own row only.

    Raises:
        DataError: If ``data`` is of another type, or a column occurs twice.
    """

    def __init__(self, data: Any) -> None:
        if is_rows(data):
            data = frame_of(data)
        if _is_a("pandas", "DataFrame", data):
            super().__init__("<data frame>", TableOptions())
            self._data, self._names = data, [str(name) for name in data.columns]
        elif _is_a("datasets", "Dataset", data):
            super().__init__("<dataset>", TableOptions())
            self._data, self._names = undecoded(data).with_format(None), list(data.column_names)
        else:
            kinds = "the path of a table file, a pandas DataFrame or a datasets.Dataset, or a list of dictionaries"
            raise DataError(f"a table must be {kinds}, got {type(data).__name__}.")
        self.columns = column_names(self._names, self.path, "its header") if self._names else ()

    @property
    def folder(self) -> str:
        """Base folder of relative image paths: the working directory."""
        return ""

    def known_length(self) -> int:
        """See :meth:`clfa.tables.table.Table.known_length`."""
        return len(self._data)

    def _rows(self, start: int) -> Iterator[Row]:
        for number, cells in enumerate(self._cells(start), start=start + 1):
            yield Row(number, {name: _value(cell) for name, cell in zip(self.columns, cells, strict=True)})

    def _cells(self, start: int) -> Iterator[Any]:
        if self.path == "<data frame>":
            yield from self._data.iloc[start:].itertuples(index=False, name=None)
            return
        for row in self._data.select(range(start, len(self._data))):
            yield [row[name] for name in self._names]


def _value(cell: Any) -> Any:
    if isinstance(cell, str):
        # A text such as "None" may be the name of a class.
        return None if not cell or cell.isspace() else cell
    return None if is_missing(cell) else cell


def is_rows(data: Any) -> bool:
    """Return whether ``data`` is a sequence of mappings, the rows of a table."""
    return isinstance(data, (list, tuple)) and all(isinstance(row, Mapping) for row in data)


def frame_of(rows: Sequence[Mapping[str, Any]]) -> Any:
    """Return rows as a data frame whose cells keep their types."""
    import pandas as pd

    return pd.DataFrame(list(rows), dtype=object)


def undecoded(data: Any) -> Any:
    """Return a ``datasets.Dataset`` whose pictures and sounds, in whatever column and however deep, stay as they are.

    A Parquet file says itself which of its columns are pictures, and ``datasets`` would open the paths and addresses in
    them when a cell is read, without a permission.
    """
    features = {name: _undecoded(feature) for name, feature in data.features.items()}
    for name, feature in features.items():
        if feature != data.features[name]:
            data = data.cast_column(name, feature)
    return data


def _undecoded(feature: Any) -> Any:
    """Return a feature of ``datasets`` that decodes nothing."""
    if isinstance(feature, dict):
        return {name: _undecoded(part) for name, part in feature.items()}
    if isinstance(feature, list):
        return [_undecoded(part) for part in feature]
    changes = {"decode": False} if getattr(feature, "decode", False) else {}
    if hasattr(feature, "feature"):
        changes["feature"] = _undecoded(feature.feature)
    return replace(feature, **changes) if changes else feature


def _is_a(module: str, name: str, data: Any) -> bool:
    """Return whether ``data`` is an instance of a package's class, without importing the package."""
    package = sys.modules.get(module)
    return package is not None and isinstance(data, getattr(package, name))
