"""What a row of a table looks like, to tell rows from the lines of one quoted text."""

from __future__ import annotations

import re
from collections.abc import Sequence

_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
# From so many rows on a column has a shape, and a column of so few different values is one of classes.
_FEWEST_ROWS, _MOST_SHAPES, _MOST_VALUES = 5, 3, 20


class RowProfile:
    """Learns from a table's first rows what its columns look like.

    Args:
        rows: Fields of rows that stand on one line each.
        width: Number of columns.
        separator: Between fields.
    """

    def __init__(self, rows: Sequence[Sequence[str]], width: int, separator: str) -> None:
        self._width, self._separator = width, separator
        self._values: dict[int, set[str]] = {}
        self._shapes: dict[int, set[str]] = {}
        if len(rows) >= _FEWEST_ROWS:
            for column in range(width):
                cells = [row[column] for row in rows]
                values, shapes = set(cells), {_shape(cell) for cell in cells}
                if len(values) <= min(_MOST_VALUES, len(rows) // 2):
                    self._values[column] = values
                if len(shapes) <= _MOST_SHAPES:
                    self._shapes[column] = shapes

    def resembles_row(self, line: str) -> bool:
        """Return whether ``line`` by itself looks like a row of this table."""
        cells = line.split(self._separator)
        if len(cells) != self._width or self._width < 2:
            return False
        if any(cells[column] not in values for column, values in self._values.items()):
            return False
        if any(_shape(cells[column]) not in shapes for column, shapes in self._shapes.items()):
            return False
        if self._values or self._shapes or self._separator == "\t":
            return True
        # Nothing is known of the columns. In a sentence a blank follows the comma.
        return not any(cell.startswith(" ") for cell in cells) and self._width > 2


def _shape(cell: str) -> str:
    return _LETTERS.sub("a", _DIGITS.sub("9", cell.strip()))
