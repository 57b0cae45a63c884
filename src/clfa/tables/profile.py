"""Typical form of a table's rows, to distinguish rows from the lines of a quoted field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from clfa.tables.quoting import split_fields

_DIGITS, _LETTERS = re.compile(r"\d+"), re.compile(r"[^\W\d_]+")
# Rows needed for a profile, and the maximum of different shapes or values of a column that is used in it.
_FEWEST_ROWS, _MOST_SHAPES, _MOST_VALUES = 5, 3, 20
# A property of at least this fraction of rows or lines is considered general.
_NEARLY_ALL = 0.8


class RowProfile:
    """Typical values and shapes of the columns, from a table's first lines.

    Args:
        header: The line with the column names.
        lines: The lines after it; lines that are not complete rows are ignored.
        width: Number of columns.
        separator: Field separator.
    """

    def __init__(self, header: str, lines: Sequence[str], width: int, separator: str) -> None:
        self._width, self._separator = width, separator
        found = [split_fields(line, separator) for line in lines]
        rows = [fields.values for fields in found if not fields.open and len(fields.values) == width]
        self._values: dict[int, set[str]] = {}
        # Without usual values, as in a table of few rows: the cells of a column that have no quotes.
        self._bare: dict[int, set[str]] = {}
        self._shapes: dict[int, set[str]] = {}
        if len(rows) >= _FEWEST_ROWS:
            for column in range(width):
                cells = [row[column] for row in rows]
                values, shapes = _usual(cells), _usual(map(_shape, cells))
                if len(values) <= min(_MOST_VALUES, len(rows) // 2):
                    self._values[column] = values
                if len(shapes) <= _MOST_SHAPES:
                    self._shapes[column] = shapes
        for column in range(width):
            if column not in self._values:
                self._bare[column] = {row[column] for row in rows if '"' not in row[column] and row[column].strip()}
        plain = [cells for line in (header, *lines) if len(cells := line.split(separator)) == width]
        # Columns in which every field is quoted.
        self._quoted = {
            column
            for column in range(width)
            if plain and sum(cells[column].startswith('"') for cells in plain) >= _NEARLY_ALL * len(plain)
        }

    def without_stray_quotes(self, cells: list[str]) -> list[str]:
        """Return the cells of a row, without quotes around a usual value of a column with few values (labels).

        In another column, a single quote at the edge of a cell is left out if another row has the same cell without it.
        """
        for column, usual in self._values.items():
            if cells[column] not in usual and (bare := cells[column].strip('" ')) in usual:
                cells = [*cells[:column], bare, *cells[column + 1 :]]
        for column, others in self._bare.items():
            cell = cells[column]
            if '"' in cell and cell.count('"') == 1 and (bare := cell.strip('" ')) in others:
                cells = [*cells[:column], bare, *cells[column + 1 :]]
        return cells

    def usual(self, cells: Sequence[str]) -> int:
        """Return the number of cells of a row with a usual value of their column, also with a stray quote."""
        return sum(cell.strip('" ') in self._values.get(column, ()) for column, cell in enumerate(cells))

    def swallowed(self, first: str, place: int, following: Sequence[str], whole: bool) -> bool:
        """Return whether the lines between two quotes are separate rows, and the first quote is not an opening one.

        Args:
            first: The line with the first quote.
            place: Column of the field that begins with this quote.
            following: The lines after it, up to the line with the second quote.
            whole: Whether all lines together have as many fields as there are columns.
        """
        lines = [line for line in following if line.strip()]
        rows = sum(map(self._resembles_row, lines))
        if not rows or not whole:
            return rows > 0
        cells = first.split(self._separator)
        after = self._width - place - 1
        # Check whether the first line is a row by itself. Its text may contain separators.
        if len(cells) < self._width or not self._fit(cells[:place], 0):
            return False
        if after and not self._fit(cells[-after:], place + 1):
            return False
        return rows >= _NEARLY_ALL * len(lines)

    def _resembles_row(self, line: str) -> bool:
        cells = line.split(self._separator)
        if len(cells) != self._width:
            found = split_fields(line, self._separator)
            cells = found.values if found.proper and not found.open else []
        elif any('""' in cell and cell != '""' for cell in cells):
            # Doubled quotes occur only inside a quoted text, so this line continues one.
            return False
        if len(cells) != self._width or self._width < 2 or not self._fit(cells, 0):
            return False
        if self._values or self._shapes or self._separator == "\t":
            return True
        # Without a profile: in a sentence, a blank follows the comma.
        return not any(cell.startswith(" ") for cell in cells) and self._width > 2

    def _fit(self, cells: Sequence[str], start: int) -> bool:
        """Return whether cells match the profile of the columns from ``start``."""
        for column, cell in enumerate(cells, start):
            if column in self._quoted and not cell.startswith('"'):
                return False
            if column in self._values and cell.strip('"') not in self._values[column]:
                return False
            if column in self._shapes and _shape(cell.strip('"')) not in self._shapes[column]:
                return False
        return True


def _usual(cells: Iterable[str]) -> set[str]:
    """Return the most frequent values, which together make nearly all cells. (Some lines may be parts of a text.)"""
    counts = Counter(cells)
    left = _NEARLY_ALL * counts.total()
    usual = set()
    for cell, count in counts.most_common():
        if left <= 0 and count < 3:
            break
        usual.add(cell)
        left -= count
    return usual


def _shape(cell: str) -> str:
    return _LETTERS.sub("a", _DIGITS.sub("9", cell.strip()))
