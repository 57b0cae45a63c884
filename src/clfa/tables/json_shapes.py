"""Detection of the layout of a JSON file by its content: JSON Lines or one array."""

from __future__ import annotations

import json
import re
from typing import Any

from clfa.errors import DataError
from clfa.tables.json_array import JsonArrayTable
from clfa.tables.json_lines import JsonLinesTable
from clfa.tables.lines import TextFile
from clfa.tables.row import TableOptions
from clfa.tables.table import Table

_ARRAY = re.compile(r"\[\s*(?:\{|\]\s*$|$)")
_ADVICE = "write one object per line (.jsonl), or a list of objects (.json)"


def open_json(path: str, options: TableOptions) -> Table:
    """Open JSON Lines or one JSON array of objects; the suffix does not decide which.

    Raises:
        DataError: If the file is one object over several lines, one object that contains the list of rows, or one
            object of columns.
    """
    lines = [line for _, _, line in TextFile(path).head() if not isinstance(line, str) or line.strip()]
    texts = [line.strip() for line in lines if isinstance(line, str)]
    if texts and _ARRAY.match(texts[0] if len(texts) == 1 else f"{texts[0]}\n{texts[1]}"):
        return JsonArrayTable(path, options)
    if texts and texts[0].startswith("{"):
        _refuse_one_object(path, texts)
    return JsonLinesTable(path, options)


def _refuse_one_object(path: str, texts: list[str]) -> None:
    value = _parsed(texts[0])
    if value is None and len(texts) > 1:
        # The whole file, or its beginning.
        whole = _parsed("\n".join(texts))
        if isinstance(whole, dict) or texts[0] == "{":
            inside = _list_inside(whole) if isinstance(whole, dict) else None
            raise DataError(f"{path} is one JSON object, not a list of objects. {_how(inside)}")
    if isinstance(value, dict) and len(texts) == 1:
        inside = _list_inside(value)
        if inside is not None or _holds_columns(value):
            raise DataError(f"{path} is one JSON object, not a list of objects. {_how(inside)}")


def _how(inside: str | None) -> str:
    if inside is None:
        return f"{_ADVICE[0].upper()}{_ADVICE[1:]}; in pandas, to_json(..., orient='records', lines=True)."
    return f"The rows seem to be in the list {inside!r}: {_ADVICE}, from the list {inside!r} only."


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _holds_columns(value: dict[str, Any]) -> bool:
    """Return whether every value is a list, or every value an object: the columns of a table, as pandas writes them."""
    return any(len(value) > 1 and all(isinstance(item, kind) for item in value.values()) for kind in (list, dict))


def _list_inside(value: dict[str, Any]) -> str | None:
    """Return the key of a list of objects in ``value``, or ``None``."""
    for name, item in value.items():
        if isinstance(item, list) and item and all(isinstance(row, dict) for row in item):
            return name
    return None
