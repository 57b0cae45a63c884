"""JSON Lines files: one object per line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from clfa.tables.compression import open_binary
from clfa.tables.json_values import BadRecord, JsonRows
from clfa.tables.lines import Line, TextFile, UnreadableLine
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Stretch, Table, stretches_from


class JsonLinesTable(Table):
    """A file with one object per line. Blank lines are skipped; any other line becomes a row with an error."""

    declares_columns = False

    def __init__(self, path: str, options: TableOptions) -> None:
        super().__init__(path, options)
        with self.damage(0):
            self._file = TextFile(path)
            head = self._file.head()
        parser = JsonRows()
        names: dict[str, None] = {}
        for line in head:
            names.update(dict.fromkeys(_row(parser, 0, line).values))
        self.columns = tuple(names)

    def _rows(self, start: int) -> Iterator[Row]:
        parser = JsonRows()
        number = lines = blank = 0
        for item in self._file.lines():
            lines += 1
            if _is_blank(item):
                blank += 1
                continue
            number += 1
            if number > start:
                yield _row(parser, number, item)
        assert number + blank == lines, f"{self.path}: {lines} lines, of which {number} + {blank} were read"

    def known_length(self) -> int | None:
        """See :meth:`clfa.tables.table.Table.known_length`; counts the lines without decoding them."""
        if not self._file.seekable:
            return None
        with open_binary(self.path) as file:
            return sum(1 for line in file if not line.isspace())

    def stretches(self, size: int) -> list[Stretch]:
        """See :meth:`clfa.tables.table.Table.stretches`; in byte offsets if the file is seekable."""
        if not self._file.seekable:
            return super().stretches(size)
        with self.damage(None):
            return stretches_from((item[1] for item in self._file.lines() if not _is_blank(item)), size)

    def stretch(self, stretch: Stretch, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """See :meth:`clfa.tables.table.Table.stretch`."""
        if not self._file.seekable:
            yield from super().stretch(stretch, columns)
            return
        parser, number = JsonRows(), stretch.first
        with self.damage(lambda: number):
            for item in self._file.lines(stretch.start):
                if number == stretch.first + stretch.rows:
                    return
                if not _is_blank(item):
                    number += 1
                    yield _row(parser, number, item)


def _is_blank(item: Line) -> bool:
    line = item[2]
    return isinstance(line, str) and (not line or line.isspace())


def _row(parser: JsonRows, number: int, item: Line) -> Row:
    line = item[2]
    if isinstance(line, UnreadableLine):
        return Row(number, {}, line.reason, item[0])
    if not line or line.isspace():
        return Row(number, {}, None, item[0])
    try:
        return Row(number, parser.parse(line), None, item[0])
    except BadRecord as error:
        return Row(number, {}, str(error), item[0])
