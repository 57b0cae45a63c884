"""A table file as a part of a corpus."""

from __future__ import annotations

from clfa.data.columns import Part
from clfa.data.schema import Dropped
from clfa.tables.collect import collect
from clfa.tables.row import TableOptions
from clfa.tables.rows import open_rows


def read_part(path: str, split: str | None, options: TableOptions, dropped: list[Dropped]) -> Part:
    """Read a table file.

    Args:
        path: File or address.
        split: Split that it is known to be.
        options: How to read it.
        dropped: Gets the lines that cannot be read.
    """
    table = open_rows(path, options)
    collected = collect(table)
    dropped += [Dropped("", split or "", table.place(row), "bad line", row.error or "") for row in collected.bad]
    return Part(split, path, collected.data, table.folder, collected.numbers, table.separator)
