"""The one way to read a table: rows, one at a time, whatever the file's format and size.

Training collects these rows, prediction streams them, and a shard is a stretch of them. All three therefore see the
same rows, row numbers and columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clfa.errors import DataError
from clfa.tables.formats import TABLE_FORMATS, known_suffixes, table_suffix
from clfa.tables.paths import is_address
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Table

__all__ = ["Row", "Table", "TableOptions", "count_rows", "iter_rows", "open_rows"]


def open_rows(path: str | Path, options: TableOptions | None = None) -> Table:
    """Open a table: find out its columns and separator from its beginning.

    Args:
        path: A file or fsspec address whose suffix is one of :func:`clfa.tables.formats.known_suffixes`, in any letter
            case, or such a suffix followed by ``.gz``, ``.bz2``, ``.xz`` or ``.zst``.
        options: What the file itself does not say.

    Returns:
        The table, whose rows can be read any number of times.

    Raises:
        DataError: When the file does not exist, has an unknown suffix, is empty, has a column twice, or is not what its
            suffix says.
    """
    name = os.fspath(path)
    suffix = table_suffix(name)
    if suffix not in TABLE_FORMATS:
        raise DataError(f"{name}: unknown suffix {suffix!r}; use one of {', '.join(known_suffixes())}.")
    if not is_address(name) and not os.path.isfile(name):
        raise DataError(f"input file {name} does not exist.")
    table: Table = TABLE_FORMATS.get(suffix)(name, options or TableOptions())
    return table


def iter_rows(path: str | Path, start: int = 0, options: TableOptions | None = None) -> Iterator[Row]:
    """Stream a table; see :func:`open_rows`.

    Args:
        path: The table.
        start: Rows to pass over, for whoever has them already.
        options: What the file itself does not say.
    """
    yield from open_rows(path, options).rows(start)


def count_rows(path: str | Path) -> int | None:
    """Return the number of rows where the file says it, ``None`` where counting would mean to read all of it."""
    try:
        return open_rows(path).known_length()
    except DataError:
        return None
