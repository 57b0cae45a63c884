"""Excel files."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clfa.errors import Argument, DataError
from clfa.nearest import did_you_mean
from clfa.tables.compression import compression_of, open_binary
from clfa.tables.names import column_names
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Table

logger = logging.getLogger(__name__)


class ExcelTable(Table):
    """One sheet of an ``.xlsx`` file; its first non-blank row contains the column names."""

    def __init__(self, path: str, options: TableOptions) -> None:
        super().__init__(path, options)
        if compression_of(path) is not None:
            raise DataError(f"{path}: a compressed Excel file is not supported; decompress it first.")
        with self.damage(0), self._sheet() as sheet:
            for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
                if not _is_blank(cells):
                    self._header = number
                    break
            else:
                raise DataError(f"{path}: the file is empty; expected a line with column names")
        names = ["" if cell is None else str(cell) for cell in cells]
        while names and not names[-1].strip():
            names.pop()
        self.columns = column_names(names, path, f"row {self._header}")

    @contextmanager
    def _sheet(self) -> Iterator[Any]:
        try:
            import openpyxl
        except ImportError as error:
            raise DataError(
                f"{self.path}: reading Excel files needs openpyxl: pip install 'clfa[excel]'. Or save the file as CSV."
            ) from error
        with open_binary(self.path) as file:
            try:
                book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
                raise DataError(f"{self.path} is not an Excel file: {error}") from error
            try:
                names = [sheet.title for sheet in book.worksheets]
                wanted = self.options.sheet or names[0]
                if wanted not in names:
                    raise DataError(
                        f"{self.path}: no sheet {wanted!r}; the sheets are {', '.join(names)}. Choose with ",
                        Argument("sheet", ...),
                        f".{did_you_mean(wanted, names)}",
                    )
                if self.options.sheet is None and len(names) > 1:
                    logger.info("%s: reading the first sheet, %r.", self.path, wanted)
                yield book[wanted]
            finally:
                book.close()

    def _rows(self, start: int) -> Iterator[Row]:
        width, number = len(self.columns), 0
        with self._sheet() as sheet:
            for line, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
                if line <= self._header or _is_blank(cells):
                    continue
                number += 1
                if number <= start:
                    continue
                if not _is_blank(cells[width:]):
                    yield Row(number, {}, f"{len(cells)} fields instead of {width}", line)
                    continue
                values = [*cells[:width], *[None] * (width - len(cells))]
                yield Row(number, dict(zip(self.columns, map(_value, values), strict=True)), None, line)


def _is_blank(cells: Any) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def _value(cell: Any) -> Any:
    return None if cell == "" else cell
