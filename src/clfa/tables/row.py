"""One row of a table, and how a table is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Row:
    """One row of a table.

    Args:
        number: Counted from 1, the header and blank lines not counted, rows that cannot be read counted. It is the
            row's id where the table has no id column.
        values: By column; missing cells are ``None``. Empty when the row cannot be read.
        error: Why it cannot be read, or ``None``.
        line: Line of the file where it begins, counted from 1; 0 in formats without lines.
        lines: How many lines of the file it takes.
    """

    number: int
    values: dict[str, Any]
    error: str | None = None
    line: int = field(default=0, compare=False)
    lines: int = field(default=1, compare=False)


@dataclass(frozen=True)
class TableOptions:
    """What a table file does not say itself.

    Args:
        separator: Character between the fields of a CSV or TSV file; found by content when not given.
        likely_separator: Separator of the table a model was trained on: tried first.
        sheet: Sheet of an Excel file; the first one when not given.
    """

    separator: str | None = None
    likely_separator: str | None = None
    sheet: str | None = None
