"""Conversion of results and failures to JSON lines."""

from __future__ import annotations

import json
from typing import Any

from clfa.files import json_text
from clfa.jobs.record import Result


def record_line(result: Result) -> str:
    """Return the JSON record of a row: ``id``, the result, and ``error`` if it failed."""
    record = {"id": result.id, **result.outcome.values}
    if result.outcome.error is not None:
        record["error"] = result.outcome.error
    return json_line(record)


def failure_line(result: Result) -> str:
    """Return a failure as a JSON line: ``row``, ``id``, ``reason``, ``message``; also ``source`` for several files."""
    where = {} if result.alone else {"source": result.source}
    outcome = result.outcome
    return json_line({**where, "row": result.row, "id": result.id, "reason": outcome.reason, "message": outcome.error})


def json_line(record: dict[str, Any]) -> str:
    """Return a record as a JSON line that can be encoded in UTF-8."""
    line = json_text(record, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:
        # A lone surrogate in an id can be written as a JSON escape, but not in UTF-8.
        line = json_text(record, default=str, ensure_ascii=True)
    return line + "\n"


def id_text(row_id: Any) -> str | None:
    """Return an id as text, for tables."""
    text = row_id if isinstance(row_id, str) or row_id is None else json.dumps(row_id, ensure_ascii=False, default=str)
    return plain(text)


def plain(text: str | None) -> str | None:
    """Return a text with ``?`` in place of lone surrogates, which UTF-8 cannot encode."""
    return None if text is None else text.encode("utf-8", "replace").decode("utf-8")
