"""Missing and unusable label cells of a table."""

from __future__ import annotations

import math
from typing import Any


class UnusableCell(Exception):
    """A cell that is not a label of its target.

    Args:
        reason: Short reason, by which cells are counted.
        detail: Full explanation for the user.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def is_missing(cell: Any) -> bool:
    """Return whether a cell is empty: ``None``, NaN or blank text."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and not cell.strip()
