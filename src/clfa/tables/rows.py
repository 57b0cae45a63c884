"""Reading of a table of any format and size, row by row.

Training, prediction and shards all read tables with this module, so that rows, row numbers and columns are the same.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from clfa.errors import DataError
from clfa.nearest import path_hint
from clfa.tables.content import check_content
from clfa.tables.formats import TABLE_FORMATS, known_suffixes, table_suffix
from clfa.tables.paths import is_address
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Table, damage

__all__ = ["Row", "Table", "TableOptions", "count_rows", "iter_rows", "open_rows"]


def open_rows(path: str | Path, options: TableOptions | None = None) -> Table:
    """Open a table, and detect its columns and separator from its beginning.

    Args:
        path: A file or fsspec address whose suffix is one of :func:`clfa.tables.formats.known_suffixes`, in any letter
            case, or such a suffix followed by ``.gz``, ``.bz2``, ``.xz`` or ``.zst``.
        options: Options for reading the file.

    Returns:
        The table. Its rows can be read any number of times.

    Raises:
        DataError: If the file does not exist, has an unknown suffix, is empty, has a column twice, or has another
            format than its suffix says.
    """
    name = os.fspath(path)
    suffix = table_suffix(name)
    if suffix not in TABLE_FORMATS:
        raise DataError(f"{name}: unknown suffix {suffix!r}; use one of {', '.join(known_suffixes())}.")
    if not is_address(name) and not os.path.isfile(name):
        raise DataError(f"input file {name} does not exist.{path_hint(name)}")
    if not is_address(name):
        check_content(name, suffix)
    with damage(name):
        return TABLE_FORMATS.get(suffix)(name, options or TableOptions())


def iter_rows(path: str | Path, start: int = 0, options: TableOptions | None = None) -> Iterator[Row]:
    """Read the rows of a table one by one; see :func:`open_rows`.

    Args:
        path: The table.
        start: Number of rows to skip.
        options: Options for reading the file.
    """
    yield from open_rows(path, options).rows(start)


def count_rows(path: str | Path) -> int | None:
    """Return the number of rows if it is known without reading the whole table, else ``None``."""
    try:
        return open_rows(path).known_length()
    except DataError:
        return None
