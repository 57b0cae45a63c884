"""Unusable label cells of a table, and cells that are lists of labels."""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Mapping
from typing import Any

# Longer texts are not parsed.
_LONGEST_LIST = 10_000


class UnusableCell(Exception):
    """A cell that is not a label of its target.

    Args:
        reason: Short reason, by which cells are counted.
        detail: Full explanation for the user.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def labels_in(cell: Any) -> list[Any] | None:
    """Return the labels in a cell that is a list: also a tuple, set, array, or text such as ``["a", "b"]``.

    Returns:
        ``None`` for a cell that is not a list.

    Example:
        >>> labels_in("['joy', 'fear']"), labels_in(["joy"]), labels_in("joy")
        (['joy', 'fear'], ['joy'], None)
    """
    if isinstance(cell, str):
        text = cell.strip()
        return _listed(text) if text[:1] == "[" and text[-1:] == "]" and len(text) <= _LONGEST_LIST else None
    if isinstance(cell, bytes | bytearray | Mapping) or not hasattr(cell, "__iter__"):
        return None
    # A scalar of NumPy has `__iter__` too, but cannot be iterated.
    return None if getattr(cell, "ndim", 1) == 0 else list(cell)


def _listed(text: str) -> list[Any] | None:
    """Return the list that a text is in JSON, Python or NumPy, where pandas and spreadsheets write it."""
    found: Any = None
    for read in (json.loads, _spaced, _python):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError, tokenize.TokenError):
            continue
        if found is not None:
            break
    plain = isinstance(found, list) and all(isinstance(item, str | int | float | None) for item in found)
    return found if plain else None


def _python(text: str) -> Any:
    # A missing entry of pandas is no literal.
    return ast.literal_eval(re.sub(r"\bnan\b(?=\s*[,\]])", "None", text))


def _spaced(text: str) -> list[Any] | None:
    """Return the entries of a list with blanks between them, as NumPy writes arrays; Python would join their texts."""
    tokens = [t for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.string.strip()][1:-1]
    entries = [t.string for t in tokens if t.type in (tokenize.STRING, tokenize.NUMBER)]
    if len(entries) < 2 or len(entries) != len(tokens):
        return None
    return [ast.literal_eval(entry) for entry in entries]
