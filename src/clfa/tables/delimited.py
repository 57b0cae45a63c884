"""CSV and TSV files, including files with faulty quotes."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from clfa.errors import Argument, DataError
from clfa.tables.dialect import find_separator
from clfa.tables.formats import table_suffix
from clfa.tables.lines import MAX_LINE, Line, TextFile, UnreadableLine
from clfa.tables.names import column_names
from clfa.tables.profile import RowProfile
from clfa.tables.quoting import Fields, escaped_fields, may_close, split_fields
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Stretch, Table, stretches_from

# Maximum number of lines of a quoted field.
MAX_QUOTED_LINES = 10_000
_MAX_HEADER_LINES = 100
_DECLARED = re.compile(r"sep=(.)\s*")


# Byte offset of a row, and the row. The offset is ``None`` for a line that can only be read after the previous one.
_Placed = tuple[int | None, Row]


class DelimitedTable(Table):
    """A file with separated fields; its first non-blank line contains the column names.

    Every line of the file is blank, or belongs to the header, to a row, or to a row with an error. A row has an error
    if its number of fields differs from the number of columns, or its bytes are not text. A quoted field may contain
    line breaks. A quote that is never closed is an ordinary character; so is a quote that only the opening quote of a
    later row would close.
    """

    def __init__(self, path: str, options: TableOptions) -> None:
        super().__init__(path, options)
        with self.damage(0):
            self._file = TextFile(path)
            head = self._file.head()
        while head and _is_blank(head[0][2]):
            head = head[1:]
        if not head:
            raise DataError(f"{path}: the file is empty; expected a line with column names")
        declared = _declared_separator(head[0][2])
        texts = [line.rstrip("\r\n") for _, _, line in head[declared is not None :] if isinstance(line, str)]
        texts = [text for text in texts if text.strip()]
        if not isinstance(head[0][2], str) or not texts:
            raise DataError(f"{path}: the line with column names cannot be read: {_reason(head[0][2])}")
        usual = "\t" if table_suffix(path) == ".tsv" else ","
        likely = [mark for mark in (declared, options.likely_separator, usual) if mark is not None]
        self.separator: str = options.separator or declared or find_separator(texts, likely)
        if len(self.separator) != 1 or self.separator in '"\r\n':
            raise DataError(Argument("separator"), f" must be one character, got {self.separator!r}")
        self._spaced = re.compile(re.escape(self.separator) + ' +"')
        header, self._header_lines = self._read_header([line for _, _, line in head], declared is not None)
        self._first_line = head[0][0] + self._header_lines
        self.columns = column_names(header, path, f"line {head[0][0]}")
        self._profile = RowProfile(texts[0], texts[1:], len(self.columns), self.separator)

    def _read_header(self, lines: Sequence[str | UnreadableLine], declared: bool) -> tuple[list[str], int]:
        skipped = int(declared)
        while _is_blank(lines[skipped]):
            skipped += 1
        first = lines[skipped]
        assert isinstance(first, str)
        text = first
        for count, line in enumerate([*lines[skipped + 1 :][:_MAX_HEADER_LINES], None], start=1):
            fields = split_fields(text.rstrip("\r\n"), self.separator, skip_blanks=True)
            if not fields.open:
                return fields.values, skipped + count
            if not isinstance(line, str):
                break
            text += line
        return first.rstrip("\r\n").split(self.separator), skipped + 1

    def _rows(self, start: int) -> Iterator[Row]:
        for _, row in islice(self._placed_rows(), start, None):
            yield row

    def stretches(self, size: int) -> list[Stretch]:
        """See :meth:`clfa.tables.table.Table.stretches`; in byte offsets if the file is seekable."""
        if not self._file.seekable:
            return super().stretches(size)
        with self.damage(None):
            return stretches_from((offset for offset, _ in self._placed_rows()), size)

    def stretch(self, stretch: Stretch, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """See :meth:`clfa.tables.table.Table.stretch`."""
        if not self._file.seekable:
            yield from super().stretch(stretch, columns)
            return
        number = stretch.first
        with self.damage(lambda: number):
            for _, row in islice(self._placed_rows(stretch.start, stretch.first), stretch.rows):
                number = row.number
                # The line number in the whole file is unknown here.
                row.line = 0
                yield row

    def _placed_rows(self, offset: int | None = None, number: int = 0) -> Iterator[_Placed]:
        """Read rows with their byte offsets.

        Args:
            offset: Byte offset of the first row to read; ``None`` for the first row of the file.
            number: Number of rows before it.
        """
        buffer = _LineBuffer(self._file.lines() if offset is None else self._file.lines(offset))
        kept = blank = 0
        if offset is None:
            while kept < self._first_line - 1 and buffer.next() is not None:
                kept += 1
        separator, columns, width = self.separator, self.columns, len(self.columns)
        while (item := buffer.next()) is not None:
            place, start, line = item
            lines = 1
            if isinstance(line, UnreadableLine):
                row = Row(number + 1, {}, f"not valid CSV: {line.reason}", place)
            else:
                text = line.rstrip("\r\n")
                if '"' not in text:
                    fields = text.split(separator)
                    if len(fields) != width and _is_blank(line, separator):
                        blank += 1
                        continue
                else:
                    fields, lines = self._with_quotes(item, text, buffer)
                if len(fields) == width:
                    values = {name: field or None for name, field in zip(columns, fields, strict=True)}
                    row = Row(number + 1, values, None, place, lines)
                else:
                    detail = f"{len(fields)} fields instead of {width}: {' | '.join(fields)[:80]}"
                    row = Row(number + 1, {}, detail, place)
            number += 1
            kept += lines
            yield start, row
            if row.error is not None:
                # Each further line of an unreadable row is a row with an error.
                for line_number in range(place + 1, place + lines):
                    number += 1
                    yield None, Row(number, {}, row.error, line_number)
        assert kept + blank == buffer.taken, f"{self.path}: {buffer.taken} lines, of which {kept} + {blank} were read"

    def _with_quotes(self, item: Line, text: str, buffer: _LineBuffer) -> tuple[list[str], int]:
        """Return the fields and the number of lines of a row whose first line is ``text``, which has a quote."""
        width, lines = len(self.columns), 1
        found = split_fields(text, self.separator)
        fields = found.values
        if found.open or not found.proper or len(fields) != width:
            escaped = escaped_fields(text, self.separator)
            if escaped is not None and len(escaped) == width:
                return escaped, 1
        if found.open:
            fields, lines = self._quoted(item, buffer, len(fields) - 1)
        elif len(fields) != width or not found.proper or self._spaced.search(text):
            fields = self._best(text, found)
        return (self._profile.without_stray_quotes(fields) if len(fields) == width else fields), lines

    def _best(self, text: str, found: Fields) -> list[str]:
        """Return the fields of a line with closed quotes, split another way if that fits the columns better."""
        # In a file with blanks after its separators, all quotes are quotes. Tabs have none.
        spaced = split_fields(text, self.separator, skip_blanks=True)
        ways = [spaced.values] if spaced.proper and not spaced.open and self.separator != "\t" else []
        strict = split_fields(text, self.separator, strict=True)
        ways += [found.values, strict.values, text.split(self.separator), *([] if spaced.open else [spaced.values])]
        fitting = [fields for fields in ways if len(fields) == len(self.columns)]
        # The first of those with the most values that their columns have elsewhere, too.
        return max(fitting, key=self._profile.usual) if fitting else found.values

    def _quoted(self, item: Line, buffer: _LineBuffer, place: int) -> tuple[list[str], int]:
        """Return the fields and the number of lines of a row whose first line ends inside a quoted field."""
        assert isinstance(item[2], str)
        text = item[2].rstrip("\r\n")
        parts, following = [item[2]], []
        size = len(item[2])
        while len(parts) < MAX_QUOTED_LINES and size < MAX_LINE:
            line = buffer.next()
            if line is None:
                break
            following.append(line)
            if isinstance(line[2], UnreadableLine):
                break
            parts.append(line[2])
            size += len(line[2])
            if not may_close(line[2]):
                continue
            found = split_fields("".join(parts).rstrip("\r\n"), self.separator)
            if found.open:
                continue
            others = [part.rstrip("\r\n") for part in parts[1:]]
            whole = len(found.values) == len(self.columns)
            if found.proper and not self._profile.swallowed(text, place, others, whole):
                return found.values, len(parts)
            break
        buffer.give_back(following)
        fields = split_fields(text, self.separator, strict=True).values
        return (fields if len(fields) == len(self.columns) else text.split(self.separator)), 1


class _LineBuffer:
    """Lines of a file, with the possibility to give lines back and read them again."""

    def __init__(self, source: Iterator[Line]) -> None:
        self._source = source
        self._waiting: deque[Line] = deque()
        self.taken = 0

    def next(self) -> Line | None:
        if self._waiting:
            return self._waiting.popleft()
        line = next(self._source, None)
        if line is not None:
            self.taken += 1
        return line

    def give_back(self, lines: Sequence[Line]) -> None:
        self._waiting.extendleft(reversed(lines))


def _is_blank(line: str | UnreadableLine, separator: str = "") -> bool:
    return isinstance(line, str) and not line.strip() and not (separator and separator in line)


def _declared_separator(line: str | UnreadableLine) -> str | None:
    """Return the separator from a line ``sep=;``, which Excel writes above the header."""
    match = _DECLARED.fullmatch(line) if isinstance(line, str) else None
    return match[1] if match else None


def _reason(line: str | UnreadableLine) -> str:
    return line.reason if isinstance(line, UnreadableLine) else "there is no line after the separator declaration"
