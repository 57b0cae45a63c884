"""Unusable label cells of a table, and cells that are lists of labels."""

from __future__ import annotations

import ast
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
    """Return the list that a text is in JSON or Python, where pandas and spreadsheets write it."""
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    plain = isinstance(found, list) and all(isinstance(item, str | int | float) for item in found)
    return found if plain else None
