"""How the rows and cells of a sheet stand in an Excel file."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import IO, Any
from xml.parsers import expat

_BLOCK = 1 << 16
_MOST_COLUMNS = 1 << 14
# Bytes of a cell, and of all parts beside the sheets, which are in memory as a whole: texts, styles and names.
_MOST_BYTES = 1 << 26
_MOST_SHARED = 1 << 30
_CELL = re.compile(r"\$?([A-Za-z]{1,3})\$?(\d+)")


@dataclass
class SheetLayout:
    """What has to be known of a sheet before its rows are read one by one.

    Args:
        merged: Whether cells are merged.
        formulas: Whether cells have formulas.
        ordered: Whether rows and cells stand in the order of their numbers, each in its row.
        rows: Largest number of a row, also of one that is only part of a merged range.
        columns: Largest number of a column.
        covered: Number of cells in merged ranges.
    """

    merged: bool = False
    formulas: bool = False
    ordered: bool = True
    rows: int = 0
    columns: int = 0
    covered: int = 0

    @property
    def size(self) -> int:
        """Number of cells up to the last row and column, or of those in merged ranges if these are more."""
        return max(self.rows * self.columns, self.covered)


def require_bounded(file: IO[bytes]) -> None:
    """Check the size of what is read into memory as a whole, before it is.

    Args:
        file: An Excel file, of any compressed size.

    Raises:
        ValueError: If it is too large.
        zipfile.BadZipFile: If it is no Excel file.
    """
    with zipfile.ZipFile(file) as parts:
        inner = [part for part in parts.infolist() if not part.filename.startswith(("xl/worksheets/", "xl/media/"))]
    size = sum(part.file_size for part in inner)
    if size > _MOST_SHARED:
        raise ValueError(f"its texts and styles have {size:,} bytes, limit {_MOST_SHARED:,}; save it as CSV")
    file.seek(0)


def sheet_layout(open_part: Callable[[], IO[bytes]]) -> SheetLayout:
    """Read the layout of a sheet, without the content of its cells.

    Args:
        open_part: Function that opens the XML of the sheet.

    Raises:
        ValueError: If it is broken, or has a cell twice.
    """
    layout = _read(open_part, None)
    if not layout.ordered:
        _read(open_part, set())
    return layout


def _read(open_part: Callable[[], IO[bytes]], taken: set[tuple[int, int]] | None) -> SheetLayout:
    layout = SheetLayout()
    # Rows and cells without a number follow the one before.
    row = column = fed = mark = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, mark
        mark = fed
        kind = name.rpartition(" ")[2]
        if kind == "c":
            reference = attributes.get("r")
            line, place = _place(reference) if reference else (row, column + 1)
            if line != row or place <= column:
                layout.ordered = False
            column = place
            if place > _MOST_COLUMNS:
                raise ValueError(f"a sheet has at most {_MOST_COLUMNS:,} columns")
            layout.rows, layout.columns = max(layout.rows, line), max(layout.columns, place)
            if taken is not None:
                if (line, place) in taken:
                    raise ValueError(f"cell {reference or f'{place} of row {line}'} occurs twice")
                taken.add((line, place))
        elif kind == "row":
            number = float(attributes.get("r", row + 1))
            if not number.is_integer():
                raise ValueError(f"{attributes['r']} is not a row number")
            if number <= row:
                layout.ordered = False
            row, column = int(number), 0
            layout.rows = max(layout.rows, row)
        elif kind == "f":
            layout.formulas = True
        elif kind == "mergeCell":
            layout.merged = True
            (top, left), (bottom, right) = _corners(attributes.get("ref", ""))
            layout.rows, layout.columns = max(layout.rows, bottom), max(layout.columns, right)
            layout.covered += max(0, bottom - top + 1) * max(0, right - left + 1)

    parser: Any = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    with open_part() as part:
        try:
            while block := part.read(_BLOCK):
                parser.Parse(block, False)
                fed += len(block)
                if fed - mark > _MOST_BYTES:
                    raise ValueError(f"a cell of row {row} has more than {_MOST_BYTES:,} bytes")
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise ValueError(str(error)) from None
    return layout


@lru_cache(maxsize=1 << 15)
def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = 26 * number + ord(letter) - ord("A") + 1
    return number


def _corners(reference: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the first and the last cell of a range such as ``B12:C13``."""
    first, _, last = reference.partition(":")
    return _place(first), _place(last or first)


def _place(reference: str) -> tuple[int, int]:
    """Return row and column of a reference such as ``B12``."""
    found = _CELL.fullmatch(reference)
    if found is None:
        raise ValueError(f"{reference!r} is no cell")
    return int(found[2]), _column(found[1])
