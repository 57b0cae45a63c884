"""The interface of a table format."""

from __future__ import annotations

import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice

from clfa.errors import DataError
from clfa.tables.paths import folder_of
from clfa.tables.row import Row, TableOptions


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of one table.

    Args:
        first: Number of rows of the table before this stretch.
        rows: Number of rows of this stretch.
        start: Start, in the unit of the format: byte, row group or row.
        stop: End (exclusive), in the same unit.
    """

    first: int
    rows: int
    start: int
    stop: int


def stretches_from(offsets: Iterable[int | None], size: int) -> list[Stretch]:
    """Return stretches of ``size`` rows or slightly more.

    Args:
        offsets: Byte offset of each row; ``None`` for a row that can only be read after the previous one.
        size: Approximate number of rows of a stretch.
    """
    starts: list[tuple[int, int]] = []
    count = 0
    for offset in offsets:
        if offset is not None and (not starts or count - starts[-1][0] >= size):
            starts.append((count, offset))
        count += 1
    # The last stretch ends at the end of the file (-1).
    ends = [*starts[1:], (count, -1)]
    return [
        Stretch(first, last - first, start, stop)
        for (first, start), (last, stop) in zip(starts, ends if starts else [], strict=True)
    ]


class Table(ABC):
    """A table. No file stays open between calls, and the rows can be read any number of times.

    Args:
        path: File or fsspec address.
        options: Options for reading the file.

    Attributes:
        columns: Stripped column names; in formats that do not declare columns (JSON), the fields of the first rows.
        declares_columns: Whether ``columns`` is known to be complete.
        separator: Field separator, for CSV and TSV files.
    """

    declares_columns = True
    separator: str | None = None

    def __init__(self, path: str, options: TableOptions) -> None:
        self.path = path
        self.options = options
        self.columns: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Base folder or address of relative image paths."""
        return folder_of(self.path)

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def rows(self, start: int = 0) -> Iterator[Row]:
        """Read the rows in order. A row that cannot be read has an error; reading continues after it.

        Args:
            start: Number of rows to skip.

        Raises:
            DataError: If the file is damaged.
            OSError: If reading fails for another reason than the file's content.
        """
        number = start
        with self.damage(lambda: number):
            for row in self._rows(start):
                number = row.number
                yield row

    @abstractmethod
    def _rows(self, start: int) -> Iterator[Row]:
        """Read the rows after the first ``start``."""

    def place(self, row: Row) -> str:
        """Return the location of a row for messages: ``FILE:LINE``, or ``FILE:row N`` in formats without lines."""
        return f"{self.path}:{row.line}" if row.line else f"{self.path}:row {row.number}"

    def known_length(self) -> int | None:
        """Return the number of rows if it is known without reading the rows, else ``None``."""
        return None

    def stretches(self, size: int) -> list[Stretch]:
        """Divide the table into stretches of about ``size`` rows. The result is deterministic."""
        count = sum(1 for _ in self.rows())
        return [
            Stretch(first, min(size, count - first), first, min(first + size, count)) for first in range(0, count, size)
        ]

    def stretch(self, stretch: Stretch, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Read the rows of a stretch, numbered as in the whole table.

        Args:
            stretch: One of :meth:`stretches`.
            columns: Needed columns; a format may omit the others.
        """
        del columns
        yield from islice(self.rows(stretch.first), stretch.rows)

    def damage(self, after: Callable[[], int] | int | None) -> AbstractContextManager[None]:
        """Convert errors about damaged content; see :func:`damage`."""
        return damage(self.path, after)


@contextmanager
def damage(path: str, after: Callable[[], int] | int | None = None) -> Iterator[None]:
    """Convert errors about damaged content to a :class:`clfa.errors.DataError`.

    Args:
        path: The file, for the message.
        after: Number of rows read before the error, or a function that returns it; ``None`` if unknown.
    """
    import pyarrow as pa

    try:
        yield
    except (EOFError, UnicodeDecodeError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
        raise DataError(f"{path} is damaged{_position(after)}: {error}") from error
    except OSError as error:
        # With an error number, the disk or the network failed.
        if error.errno is not None:
            raise
        raise DataError(f"{path} is damaged{_position(after)}: {error}") from error


def _position(after: Callable[[], int] | int | None) -> str:
    return "" if after is None else f" after row {after() if callable(after) else after}"
