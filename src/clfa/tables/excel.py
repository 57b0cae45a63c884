"""Excel files."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import repeat
from typing import Any

from clfa.errors import Argument, DataError
from clfa.nearest import did_you_mean
from clfa.tables.compression import compression_of, open_binary
from clfa.tables.excel_layout import require_bounded, sheet_layout
from clfa.tables.names import column_names
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Table

logger = logging.getLogger(__name__)

_MOST_ROWS = 1 << 20
# A sheet that is read as a whole has an object for every cell up to the last row and column, also for blank ones.
_MOST_CELLS = 20_000_000
# What openpyxl raises for broken content.
_FAULTS = (
    zipfile.BadZipFile,
    ArithmeticError,
    AttributeError,
    LookupError,
    SyntaxError,
    TypeError,
    ValueError,
)


class ExcelTable(Table):
    """One sheet of an ``.xlsx`` file; its first non-blank row contains the column names.

    Cells that are merged over several rows have their value in each. Rows and cells have the place that they state, in
    whatever order they stand in the file; a cell that stands there twice is an error. A cell with an error of the
    spreadsheet (``#REF!``), or with a formula whose value is not in the file, is missing, with a warning.
    """

    def __init__(self, path: str, options: TableOptions) -> None:
        super().__init__(path, options)
        if compression_of(path) is not None:
            raise DataError(f"{path}: a compressed Excel file is not supported; decompress it first.")
        self._warned = False
        with self.damage(0), self._sheet() as sheet:
            self._layout = sheet_layout(sheet._get_source)
            if self._layout.rows > _MOST_ROWS:
                # openpyxl makes blank rows up to the number that a row states.
                raise ValueError(f"a sheet has at most {_MOST_ROWS:,} rows")
            cells = self._find_header(sheet) if self._layout.ordered else ()
        if (self._layout.merged or not self._layout.ordered) and self._layout.size > _MOST_CELLS:
            raise DataError(
                f"{path}: the sheet has merged or unordered cells, the last in row {self._layout.rows:,} and column "
                f"{self._layout.columns:,}: too many to be read. Delete empty rows and columns in a spreadsheet "
                "program, or save the sheet as CSV."
            )
        if not self._layout.ordered:
            with self.damage(0), self._sheet(read_only=False) as sheet:
                cells = self._find_header(sheet)
        names = ["" if cell is None else str(cell) for cell in cells]
        while names and not names[-1].strip():
            names.pop()
        self.columns = column_names(names, path, f"row {self._header}")

    def _find_header(self, sheet: Any) -> Sequence[Any]:
        """Return the first row of the sheet that is not blank, and keep its number."""
        for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
            if not _is_blank(cells):
                self._header = number
                found: Sequence[Any] = cells
                return found
        raise DataError(f"{self.path}: the file is empty; expected a line with column names")

    @contextmanager
    def _sheet(self, **how: Any) -> Iterator[Any]:
        try:
            import openpyxl
        except ImportError as error:
            raise DataError(
                f"{self.path}: reading Excel files needs openpyxl: pip install 'clfa[excel]'. Or save the file as CSV."
            ) from error
        with open_binary(self.path) as file:
            try:
                require_bounded(file)
                book = openpyxl.load_workbook(file, **{"read_only": True, "data_only": True, **how})
            except _FAULTS as error:
                raise DataError(f"{self.path} is not an Excel file: {error}") from error
            try:
                names = [sheet.title for sheet in book.worksheets]
                # Spreadsheet programs do not show the others.
                shown = [sheet.title for sheet in book.worksheets if sheet.sheet_state == "visible"] or names
                wanted = self.options.sheet or shown[0]
                if wanted not in names:
                    raise DataError(
                        f"{self.path}: no sheet {wanted!r}; the sheets are {', '.join(names)}. Choose with ",
                        Argument("sheet", ...),
                        f".{did_you_mean(wanted, names)}",
                    )
                if self.options.sheet is None and len(names) > 1:
                    logger.info("%s: reading the first sheet, %r.", self.path, wanted)
                sheet = book[wanted]
                if book.read_only:
                    # The size that the file states may be too small, and rows beyond it would be left out.
                    sheet.reset_dimensions()
                try:
                    yield sheet
                except _FAULTS as error:
                    raise DataError(f"{self.path} is damaged: {error}") from error
            finally:
                book.close()

    def _lines(self) -> Iterator[Sequence[Any]]:
        """Read the values of each row of the sheet, also of the header and of blank ones."""
        with ExitStack() as stack:
            layout = self._layout
            # Only a sheet that is read as a whole knows its merged cells, and has its rows in order.
            sheet = stack.enter_context(self._sheet(read_only=layout.ordered and not layout.merged))
            written: Iterator[Any] = repeat(())
            if layout.formulas:
                # The rows of both are the same ones; the second has formulas in place of values.
                written = stack.enter_context(self._sheet(read_only=layout.ordered, data_only=False)).iter_rows()
            tall = _Merged(sheet.merged_cells.ranges if layout.merged else (), self._header)
            for line, cells in enumerate(sheet.iter_rows(), start=1):
                sources = next(written, ())
                values = [self._value(cell) for cell in cells]
                for cell, value in zip(sources, values, strict=False):
                    if value is None and cell.data_type == "f":
                        self._warn(cell.coordinate, "a formula whose value is not in the file")
                tall.fill(line, values)
                yield values

    def _value(self, cell: Any) -> Any:
        if cell.data_type == "e":
            self._warn(cell.coordinate, f"the error {cell.value}")
            return None
        return None if cell.value == "" else cell.value

    def _warn(self, place: str, what: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning(
                "%s: cell %s has %s. Such cells are read as empty ones; correct them in a spreadsheet program, and "
                "save the file there.",
                self.path,
                place,
                what,
            )

    def _rows(self, start: int) -> Iterator[Row]:
        width, number = len(self.columns), 0
        for line, values in enumerate(self._lines(), start=1):
            if line <= self._header or _is_blank(values):
                continue
            number += 1
            if number <= start:
                continue
            if not _is_blank(values[width:]):
                yield Row(number, {}, f"{len(values)} fields instead of {width}", line)
                continue
            whole = [*values[:width], *[None] * (width - len(values))]
            yield Row(number, dict(zip(self.columns, whole, strict=True)), None, line)


class _Merged:
    """Values of cells that are merged over several rows.

    Args:
        ranges: Merged ranges of a sheet.
        header: Row of the column names; ranges that begin above the rows are none of theirs.
    """

    def __init__(self, ranges: Any, header: int) -> None:
        self._begin: dict[int, list[tuple[int, int]]] = {}
        for found in ranges:
            if found.max_row > found.min_row > header:
                self._begin.setdefault(found.min_row, []).append((found.min_col - 1, found.max_row))
        # Column -> last row, value.
        self._open: dict[int, tuple[int, Any]] = {}

    def fill(self, line: int, values: list[Any]) -> None:
        """Write the values of ranges that began above into a row."""
        self._open = {column: (last, value) for column, (last, value) in self._open.items() if line <= last}
        for column, (_, value) in self._open.items() if not _is_blank(values) else ():
            values += [None] * (column + 1 - len(values))
            values[column] = value
        for column, last in self._begin.get(line, ()):
            self._open[column] = (last, values[column] if column < len(values) else None)


def _is_blank(cells: Any) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)
