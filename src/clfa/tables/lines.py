"""Physical lines of a text file of any size, each in its own encoding."""

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

# A line beyond this many bytes is no post; it is listed instead of read into memory as one.
MAX_LINE = 64 * 1024 * 1024
# What is looked at to find out encoding, separator and columns.
HEAD_BYTES, HEAD_LINES = 64 * 1024, 200
_BOM = b"\xef\xbb\xbf"
# How bytes that are not UTF-8 come out of `surrogateescape`.
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class UnreadableLine:
    """A line that is no text, or too long.

    Args:
        reason: Why.
    """

    reason: str


# Number of the line from 1, byte at which it begins (-1 where bytes cannot be told), and the line with its end.
Line = tuple[int, int, "str | UnreadableLine"]


class TextFile:
    """A text file in UTF-8, UTF-16, UTF-32, or in several one-byte and multi-byte encodings line by line.

    Lines end with a line feed, where the file has any, and otherwise with a carriage return.

    Args:
        path: File or address; compressed by its suffix.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with open_binary(path) as file:
            head = file.read(HEAD_BYTES)
        self.encoding = wide_encoding(head)
        text = head if self.encoding is None else head.decode(self.encoding, "ignore").encode("utf-8", "ignore")
        self.newline = "\r" if b"\r" in text and b"\n" not in text else "\n"
        self.seekable = self.encoding is None and self.newline == "\n" and compression_of(path) is None

    def head(self) -> list[Line]:
        """Return the first lines, a bounded number of bytes of them."""
        found, size = [], 0
        for line in islice(self.lines(), HEAD_LINES):
            found.append(line)
            size += len(line[2]) if isinstance(line[2], str) else MAX_LINE
            if size > HEAD_BYTES:
                break
        return found

    def open_text(self, newline: str = "") -> io.TextIOWrapper:
        """Open the file as text; bytes that are not UTF-8 come as :func:`decode_line` takes them."""
        errors = "surrogateescape" if self.encoding is None else "ignore"
        return io.TextIOWrapper(open_binary(self.path), self.encoding or "utf-8", errors=errors, newline=newline)

    def lines(self, offset: int = 0, number: int = 1) -> Iterator[Line]:
        """Read lines.

        Args:
            offset: Byte where to begin, the beginning of a line; only where ``seekable``.
            number: Number of that line.
        """
        if self.encoding is not None or self.newline == "\r":
            with self.open_text(self.newline) as text:
                yield from _text_lines(text, self.newline, number)
            return
        with open_binary(self.path) as file:
            if offset:
                file.seek(offset)
            yield from _byte_lines(file, offset, number)


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


def _text_lines(text: IO[str], newline: str, number: int) -> Iterator[Line]:
    limit, first = MAX_LINE, True
    while raw := text.readline(limit):
        line = decode_line(raw.lstrip("\ufeff") if first else raw)
        if len(raw) == limit and not raw.endswith(newline):
            line = UnreadableLine(f"the line is longer than {limit:,} characters")
            while len(raw) == limit and not raw.endswith(newline):
                raw = text.readline(limit)
        yield number, -1, line
        number, first = number + 1, False


def decode_line(text: str) -> str | UnreadableLine:
    """Return a line of :meth:`TextFile.open_text` with every byte decoded, and without NUL characters."""
    line: str | UnreadableLine = text
    if _UNDECODED.search(text):
        line = _decode(text.encode("utf-8", "surrogateescape"))
    return line.replace("\x00", "") if isinstance(line, str) and "\x00" in line else line


def _decode(raw: bytes) -> str | UnreadableLine:
    try:
        # Halves of surrogate pairs: what some programs write for an emoji or for half of one.
        return whole_characters(raw.decode("utf-8", "surrogatepass"))
    except UnicodeDecodeError:
        pass
    try:
        return decode_bytes(raw)[0]
    except DataError as error:
        return UnreadableLine(str(error))


def whole_characters(text: str) -> str:
    """Join halves of surrogate pairs that belong together, and leave out those that are alone."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
