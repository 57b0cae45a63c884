"""Check of the columns that options name, before PyTorch is imported and the table is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clfa.errors import Argument, DataError
from clfa.nearest import did_you_mean
from clfa.tables.columns import USUAL_NAMES, find_columns
from clfa.tables.row import TableOptions
from clfa.tables.rows import open_rows


def check_columns(path: str, options: Mapping[str, Any]) -> None:
    """Check that a table has the columns that the options of the table reader name.

    Args:
        path: A local file.
        options: Options of the table reader.

    Raises:
        DataError: If it lacks one; the message lists the columns. Or if the file is not a table.
    """
    named = {field: options[field] for field in USUAL_NAMES if isinstance(options.get(field), str)}
    group_by = options.get("group_by")
    if not named and group_by is None:
        return
    separator, sheet = options.get("separator"), options.get("sheet")
    table = open_rows(path, TableOptions(separator, sheet=sheet))
    # Rows further on may have other fields.
    if not table.declares_columns:
        return
    find_columns(table.columns, path, given=named, required=())
    if group_by is not None:
        require_group_column(group_by, table.columns, path)


def require_group_column(name: str, present: Sequence[str], source: str) -> None:
    """Check that a table has the column whose rows are kept together.

    Args:
        name: The column.
        present: The table's columns.
        source: Name of the table, for the message.

    Raises:
        DataError: If it has not.
    """
    if name not in present:
        raise DataError(
            f"{source}: no column {name!r} (given as ",
            Argument("group_by", ...),
            f"); columns there: {', '.join(present)}.{did_you_mean(name, present)}",
        )
