"""Reading of a table file as a part of a corpus."""

from __future__ import annotations

from clfa.data.schema import Dropped
from clfa.data.table_part import TablePart
from clfa.tables.collect import collect
from clfa.tables.row import TableOptions
from clfa.tables.rows import open_rows


def read_part(path: str, split: str | None, options: TableOptions, dropped: list[Dropped]) -> TablePart:
    """Read a table file.

    Args:
        path: File or address.
        split: Name of the split, if known.
        options: Options for reading the file.
        dropped: List to which rows that cannot be read are added.
    """
    table = open_rows(path, options)
    collected = collect(table)
    dropped += [Dropped("", split or "", table.place(row), "bad line", row.error or "") for row in collected.bad]
    return TablePart(split, path, collected.data, table.folder, collected.numbers, table.separator, collected.mixed)
