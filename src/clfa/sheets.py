"""CSV files that spreadsheets open as what they say: no text of a post, an id or a class becomes a formula."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# What spreadsheets skip before they look for a formula: white space, quotes, control characters, marks without width.
_SKIPPED = r"[\s\"'\x00-\x1f\u200b-\u200d\u2060\ufeff]*"
# Also in full width, as in Japanese and Chinese keyboards.
_FORMULA = rf"(?={_SKIPPED}[=+\-@\uff1d\uff0b\uff0d\uff20])"
# A cell begins at the start of a text; after a semicolon, tab or line end for programs that separate cells by these.
_CELL = r"(?:\A|(?<=[;\t\r\n]))"
_BLANK_START = rf"\A(?={_SKIPPED}[\t\r\n])"
_PLACES = re.compile(rf"{_CELL}{_FORMULA}|{_BLANK_START}")
_GUARDS = re.compile(rf"{_CELL}'{_FORMULA}|\A'(?={_SKIPPED}[\t\r\n])")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def guarded(text: str) -> str:
    """Return a text for a cell, with an apostrophe where a spreadsheet would begin to read a formula.

    This is the start of the text and each place after a semicolon, tab or line end, if ``=``, ``+``, ``-`` or ``@``
    follows, also after white space and quotes; and the start of a text that begins with a tab or a line end. Numbers
    stay as they are.

    Args:
        text: Any text.

    Example:
        >>> [guarded(text) for text in ("=1+1", " @user", "-0.5", "a-b", "'=1", "x;=1")]
        ["'=1+1", "' @user", '-0.5', 'a-b', "''=1", "x;'=1"]
    """
    return text if _NUMBER.fullmatch(text) else _PLACES.sub("'", text)


def unguarded(cell: str) -> str:
    """Return the text that :func:`guarded` has made a cell of.

    Example:
        >>> [unguarded(cell) for cell in ("'=1+1", "-0.5", "''=1", "'tis", "x;'=1")]
        ['=1+1', '-0.5', "'=1", "'tis", 'x;=1']
    """
    return _GUARDS.sub("", cell)


class SheetWriter:
    """Writes the rows of a CSV file; all CSV files of clfa are written by it or by :func:`write_frame`.

    Args:
        file: An open text file.
        raw: Write texts as they are.
        line_end: Between the rows.
    """

    def __init__(self, file: IO[str], *, raw: bool = False, line_end: str = "\n") -> None:
        self._writer, self._raw = csv.writer(file, lineterminator=line_end), raw

    def row(self, cells: Iterable[Any]) -> None:
        """Write a row: texts guarded, all other values as :mod:`csv` writes them."""
        self._writer.writerow(_guarded(cell, raw=self._raw) for cell in cells)


def write_frame(file: IO[str], frame: pd.DataFrame) -> None:
    """Write a data frame without its index, texts guarded.

    Args:
        file: An open text file.
        frame: The table.
    """
    import pandas as pd

    cells = frame.apply(
        lambda column: (
            column if pd.api.types.is_numeric_dtype(column) else column.map(lambda cell: _guarded(cell, raw=False))
        )
    )
    cells.rename(columns=lambda name: guarded(str(name))).to_csv(file, index=False, lineterminator="\n")


def _guarded(cell: Any, *, raw: bool) -> Any:
    return guarded(cell) if isinstance(cell, str) and not raw else cell
