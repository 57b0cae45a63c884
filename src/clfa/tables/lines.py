"""Lines of a text file of any size. Each line may have its own encoding."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

from clfa.errors import DataError
from clfa.tables.compression import compression_of, open_binary
from clfa.tables.encoding import decode_bytes, wide_encoding

# Maximum length of a line in bytes. A longer line is reported as an error and not held in memory.
MAX_LINE = 64 * 1024 * 1024
# Size of the beginning of a file from which encoding, separator and columns are detected.
HEAD_BYTES, HEAD_LINES = 64 * 1024, 200
_BOM = b"\xef\xbb\xbf"
# Code points that `surrogateescape` uses for bytes that are not UTF-8.
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class UnreadableLine:
    """A line that is not text, or too long.

    Args:
        reason: Reason, for messages.
    """

    reason: str


# Line number from 1, byte offset (-1 if unknown), and the line with its line end.
Line = tuple[int, int, "str | UnreadableLine"]


class TextFile:
    """A text file in UTF-8, UTF-16 or UTF-32, or with lines in different one-byte and multi-byte encodings.

    Lines end with a line feed; if the first line ends with a carriage return, with one of the two or both.

    Args:
        path: File or address; its suffix says whether it is compressed.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open_binary(path) as file:
            head = file.read(HEAD_BYTES)
        self.encoding = wide_encoding(head)
        text = head if self.encoding is None else head.decode(self.encoding, "ignore").encode("utf-8", "ignore")
        # As `open` takes it: an empty text stands for any end of a line.
        self.newline = "" if _ends_with_return(text) else "\n"
        self.seekable = self.encoding is None and self.newline == "\n" and compression_of(path) is None

    def head(self) -> list[Line]:
        """Return the first lines: at most :data:`HEAD_LINES`, and about :data:`HEAD_BYTES` characters."""
        found, size = [], 0
        for line in islice(self.lines(), HEAD_LINES):
            found.append(line)
            size += len(line[2]) if isinstance(line[2], str) else MAX_LINE
            if size > HEAD_BYTES:
                break
        return found

    def open_text(self, newline: str = "") -> io.TextIOWrapper:
        """Open the file as text. Pass its lines to :func:`decode_line`, which decodes bytes that are not UTF-8."""
        errors = "surrogateescape" if self.encoding is None else "ignore"
        return io.TextIOWrapper(open_binary(self.path), self.encoding or "utf-8", errors=errors, newline=newline)

    def lines(self, offset: int = 0, number: int = 1) -> Iterator[Line]:
        """Read lines.

        Args:
            offset: Byte offset of the first line to read; only for ``seekable`` files.
            number: Number of this line.
        """
        if self.encoding is not None or not self.newline:
            with self.open_text(self.newline) as text:
                yield from _text_lines(text, self.newline or ("\r", "\n"), number)
            return
        with open_binary(self.path) as file:
            if offset:
                file.seek(offset)
            yield from _byte_lines(file, offset, number)


def _ends_with_return(head: bytes) -> bool:
    """Return whether the first line of a text ends with a carriage return alone."""
    first, feed, _ = head.lstrip().partition(b"\n")
    before, mark, _ = (first.rstrip(b"\r") if feed else first).partition(b"\r")
    # One between quotes belongs to a column name.
    return bool(mark) and before.count(b'"') % 2 == 0


def _byte_lines(file: IO[bytes], offset: int, number: int) -> Iterator[Line]:
    readline, limit = file.readline, MAX_LINE
    while raw := readline(limit):
        line: str | UnreadableLine
        try:
            line = raw.decode()
        except UnicodeDecodeError:
            line = _decode(raw)
        if len(raw) == limit and not raw.endswith(b"\n"):
            line = UnreadableLine(f"the line is longer than {limit:,} bytes")
        elif offset == 0 and raw.startswith(_BOM):
            line = line.lstrip("\ufeff") if isinstance(line, str) else line
        if isinstance(line, str) and "\x00" in line:
            line = line.replace("\x00", "")
        yield number, offset, line
        offset += len(raw)
        if isinstance(line, UnreadableLine):
            while len(raw) == limit and not raw.endswith(b"\n"):
                raw = readline(limit)
                offset += len(raw)
        number += 1


def _text_lines(text: IO[str], ends: str | tuple[str, ...], number: int) -> Iterator[Line]:
    limit, first = MAX_LINE, True
    while raw := text.readline(limit):
        line = decode_line(raw.lstrip("\ufeff") if first else raw)
        if len(raw) == limit and not raw.endswith(ends):
            line = UnreadableLine(f"the line is longer than {limit:,} characters")
            while len(raw) == limit and not raw.endswith(ends):
                raw = text.readline(limit)
        yield number, -1, line
        number, first = number + 1, False


def decode_line(text: str) -> str | UnreadableLine:
    """Decode the remaining bytes of a line from :meth:`TextFile.open_text` and remove NUL characters."""
    line: str | UnreadableLine = text
    if _UNDECODED.search(text):
        line = _decode(text.encode("utf-8", "surrogateescape"))
    return line.replace("\x00", "") if isinstance(line, str) and "\x00" in line else line


def _decode(raw: bytes) -> str | UnreadableLine:
    try:
        # Some programs write an emoji as two encoded surrogates, or truncate it to one.
        return whole_characters(raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        pass
    try:
        return decode_bytes(raw)[0]
    except DataError as error:
        return UnreadableLine(str(error))


def whole_characters(text: str) -> str:
    """Join surrogate pairs, and remove unpaired surrogates."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
