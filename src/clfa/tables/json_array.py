"""JSON files that contain arrays of objects, read element by element."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import IO

from clfa.tables.json_values import DECODER, BadRecord, JsonRows
from clfa.tables.lines import HEAD_LINES, MAX_LINE, TextFile, UnreadableLine, decode_line
from clfa.tables.row import Row, TableOptions
from clfa.tables.table import Table

_BLOCK = 1 << 18
_BETWEEN = re.compile(r"[\s,\ufeff]*")
_MARK = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\],"]', re.DOTALL)
# Possible start of an element after an element with unmatched brackets.
_NEXT = re.compile(r"(?:\}\s*,|\n)\s*(?=\{)")


class JsonArrayTable(Table):
    """A file with one array of objects, or several. An element that is not an object becomes a row with an error.

    So does what stands after or between arrays, unless it is an object, and the end of a file that breaks off.
    """

    declares_columns = False

    def __init__(self, path: str, options: TableOptions) -> None:
        super().__init__(path, options)
        names: dict[str, None] = {}
        with self.damage(0):
            self._file = TextFile(path)
            for row in islice(self._rows(0), HEAD_LINES):
                names.update(dict.fromkeys(row.values))
        self.columns = tuple(names)

    def _rows(self, start: int) -> Iterator[Row]:
        parser = JsonRows()
        failed = False
        with self._file.open_text() as file:
            for number, (line, text) in enumerate(_elements(file), start=1):
                if text is _CUT and failed:
                    # The element before says so already.
                    return
                decoded = decode_line(text) if isinstance(text, str) else text
                lines = text.count("\n") + 1 if isinstance(text, str) else 1
                try:
                    if isinstance(decoded, UnreadableLine):
                        raise BadRecord(decoded.reason)
                    row = Row(number, parser.parse(decoded), None, line, lines)
                except BadRecord as error:
                    row = Row(number, {}, str(error), line, lines)
                failed = row.error is not None
                if number > start:
                    yield row


_CUT = UnreadableLine("the array does not end: the file breaks off here")


def _elements(file: IO[str]) -> Iterator[tuple[int, str | UnreadableLine]]:
    """Return line and text of each element; for a malformed one, the text between its neighbours.

    The last one is :data:`_CUT` if an array does not end.
    """
    buffer, position, line, whole, block = "", 0, 1, False, _BLOCK
    inside = False
    while True:
        end = _BETWEEN.match(buffer, position).end()  # type: ignore[union-attr]
        line += buffer.count("\n", position, end)
        position = end
        if position < len(buffer):
            if buffer[position] == ("]" if inside else "["):
                inside = not inside
                position += 1
                continue
            stop = _end_of(buffer, position, whole or len(buffer) - position > MAX_LINE)
            if stop is not None:
                text = buffer[position:stop]
                yield line, text
                line += text.count("\n")
                position, block = stop, _BLOCK
                continue
        elif whole:
            if inside:
                yield line, _CUT
            return
        more = file.read(block)
        # Doubling the block limits how often a long element is parsed again.
        block *= 2
        whole = not more
        buffer, position = buffer[position:] + more, 0


def _end_of(buffer: str, start: int, whole: bool) -> int | None:
    """Return the end of the element that begins at ``start``; ``None`` if more of the file must be read."""
    try:
        end = DECODER.raw_decode(buffer, start)[1]
        if end < len(buffer) or whole:
            return end
        return None
    except (json.JSONDecodeError, BadRecord, RecursionError):
        pass
    depth = 0
    for mark in _MARK.finditer(buffer, start):
        kind = mark[0]
        if kind in "{[":
            depth += 1
        elif kind in "}]":
            depth -= 1
            if depth <= 0:
                return mark.end() if depth == 0 else max(mark.start(), start + 1)
        elif kind == "," and depth == 0 and mark.start() > start:
            return mark.start()
        elif kind == '"':
            break
    if not whole:
        return None
    following = _NEXT.search(buffer, start + 1)
    return len(buffer) if following is None else following.end()
