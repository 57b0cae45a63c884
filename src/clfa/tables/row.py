"""A row of a table, and the options for reading a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Row:
    """One row of a table.

    Args:
        number: Row number from 1. Rows with an error are counted; the header and blank lines are not. It is the row's
            id if the table has no id column.
        values: Cells by column; missing cells are ``None``. Empty for a row with an error.
        error: Reason why the row cannot be read, or ``None``.
        line: First line of the row in the file, from 1; 0 in formats without lines.
        lines: Number of lines of the row.
    """

    number: int
    values: dict[str, Any]
    error: str | None = None
    line: int = field(default=0, compare=False)
    lines: int = field(default=1, compare=False)


@dataclass(frozen=True)
class TableOptions:
    """Options for reading a table file.

    Args:
        separator: Field separator of a CSV or TSV file; detected by default.
        likely_separator: Separator of the table that the model was trained on; preferred in the detection.
        sheet: Sheet of an Excel file; by default the first one.
    """

    separator: str | None = None
    likely_separator: str | None = None
    sheet: str | None = None
