"""Ids that one table has in several forms, as the number 1 and the text "1"."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from clfa.tables.missing import plain
from clfa.tables.row import Row

logger = logging.getLogger(__name__)

_WHOLE = re.compile(r"0|-?[1-9]\d*")


def watch_ids(rows: Iterable[Row], column: str | None, source: str) -> Iterator[Row]:
    """Yield rows, and warn once if their ids are whole numbers in several forms: these are one id each.

    Args:
        rows: Rows of one table.
        column: Column of the id; ``None`` if there is none.
        source: Name of the table, for the warning.
    """
    seen: dict[str, tuple[int, Any]] = {}
    for row in rows:
        if column is not None and len(seen) < 2:
            cell = row.values.get(column)
            form = _form(cell)
            if form and form not in seen:
                seen[form] = row.number, cell
                if len(seen) == 2:
                    _warn(source, column, " and ".join(f"{cell!r} in row {number}" for number, cell in seen.values()))
        yield row


@cache
def _warn(source: str, column: str, examples: str) -> None:
    logger.warning(
        "%s: the ids in column %r are whole numbers in several forms, for instance %s. Ids are texts: 1, 1.0 and '1' "
        "are the same id. Write all of them alike.",
        source,
        column,
        examples,
    )


def _form(cell: Any) -> str:
    """Return the form of an id that is a whole number, ``""`` for any other."""
    if isinstance(cell, str):
        return "text" if _WHOLE.fullmatch(cell.strip()) else ""
    if cell is None or isinstance(cell, bool):
        return ""
    cell = plain(cell)
    if isinstance(cell, float):
        return "float" if cell.is_integer() else ""
    return "int" if isinstance(cell, int) and not isinstance(cell, bool) else ""
