"""Conversion of JSON objects to rows."""

from __future__ import annotations

import json
import re
from typing import Any

from clfa.tables.lines import whole_characters

# Escapes of characters that are removed: unpaired surrogates and NUL.
_ESCAPES = re.compile(r"\\u(?:d[89a-f]|0000)", re.IGNORECASE)


class BadRecord(ValueError):
    """JSON that is not a row."""


def _constant(name: str) -> float | None:
    # pandas and json.dumps write a missing cell as NaN.
    return None if name == "NaN" else float(name.replace("Infinity", "inf"))


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise BadRecord(f"field {next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return found


DECODER = json.JSONDecoder(parse_constant=_constant, object_pairs_hook=_object)


class JsonRows:
    """Parser of JSON rows. Strips field names; removes unpaired surrogates and NUL from texts."""

    def __init__(self) -> None:
        self._clean: set[str] = set()

    def parse(self, text: str) -> dict[str, Any]:
        """Parse the JSON object ``text``.

        Raises:
            BadRecord: If ``text`` is not a JSON object; with the reason.
        """
        try:
            value = DECODER.decode(text)
        except BadRecord:
            raise
        except (ValueError, RecursionError) as error:
            raise BadRecord(f"not valid JSON: {error}") from None
        return self.row(value, text)

    def row(self, value: Any, text: str) -> dict[str, Any]:
        """Convert a decoded value to a row.

        Args:
            value: Decoded JSON.
            text: Its JSON source.

        Raises:
            BadRecord: If the value is not an object, or a field occurs twice.
        """
        if not isinstance(value, dict):
            raise BadRecord(f"a JSON object was expected, not {type(value).__name__}")
        if _ESCAPES.search(text):
            value = _plain(value)
        if not self._clean.issuperset(value):
            named = {name.strip(): cell for name, cell in value.items()}
            if len(named) != len(value):
                raise BadRecord("a field occurs twice, if blanks around its name are ignored")
            if named.keys() == value.keys():
                self._clean.update(value)
            value = named
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isascii() and "\x00" not in value else whole_characters(value).replace("\x00", "")
    if isinstance(value, dict):
        return {_plain(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
