"""What every table format provides."""

from __future__ import annotations

import lzma
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from clfa.errors import DataError
from clfa.tables.paths import folder_of
from clfa.tables.row import Row, TableOptions


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of one table.

    Args:
        first: Rows of the table before these.
        rows: How many.
        start: Where they begin, in the format's own unit: a byte, a row group or a row.
        stop: Where they end, exclusive, in the same unit.
    """

    first: int
    rows: int
    start: int
    stop: int


def stretches_from(offsets: Iterable[int | None], size: int) -> list[Stretch]:
    """Return stretches of ``size`` rows, or of a few more.

    Args:
        offsets: Byte where each row begins; ``None`` for one that cannot be read without the one before it.
        size: Rows aimed at.
    """
    starts: list[tuple[int, int]] = []
    count = 0
    for offset in offsets:
        if offset is not None and (not starts or count - starts[-1][0] >= size):
            starts.append((count, offset))
        count += 1
    # The last one ends with the file, wherever that is.
    ends = [*starts[1:], (count, -1)]
    return [
        Stretch(first, last - first, start, stop)
        for (first, start), (last, stop) in zip(starts, ends if starts else [], strict=True)
    ]


class Table(ABC):
    """An open table. It holds no open file between calls, so that its rows can be read any number of times.

    Args:
        path: File or fsspec address.
        options: What the file itself does not say.

    Attributes:
        columns: Column names, without blanks at their ends; where the file declares none (JSON), those of the first
            rows.
        declares_columns: Whether ``columns`` is the whole list for certain.
        separator: Between fields, for CSV and TSV files.
    """

    declares_columns = True
    separator: str | None = None

    def __init__(self, path: str, options: TableOptions) -> None:
        self.path = path
        self.options = options
        self.columns: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Folder or address that relative image paths start from."""
        return folder_of(self.path)

    def __iter__(self) -> Iterator[Row]:
        return self.rows()

    def rows(self, start: int = 0) -> Iterator[Row]:
        """Read the rows in order. A row that cannot be read comes with an error; the others follow.

        Args:
            start: Rows to pass over.

        Raises:
            DataError: When the file is damaged.
            OSError: When reading fails for other reasons than the file's content.
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
        """Return where a row stands, for messages: ``FILE:LINE``, or ``FILE:row N`` where there are no lines."""
        return f"{self.path}:{row.line}" if row.line else f"{self.path}:row {row.number}"

    def known_length(self) -> int | None:
        """Return the number of rows where the file says it."""
        return None

    def stretches(self, size: int) -> list[Stretch]:
        """Cut the table into stretches of about ``size`` rows, the same ones every time."""
        count = sum(1 for _ in self.rows())
        return [
            Stretch(first, min(size, count - first), first, min(first + size, count)) for first in range(0, count, size)
        ]

    def stretch(self, stretch: Stretch, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """Read the rows of a stretch, numbered as in the whole table.

        Args:
            stretch: One of :meth:`stretches`.
            columns: Columns that are needed; a format may leave out the others.
        """
        del columns
        yield from islice(self.rows(stretch.first), stretch.rows)

    @contextmanager
    def damage(self, after: object) -> Iterator[None]:
        """Turn what broken content raises into a :class:`clfa.errors.DataError` that says where."""
        import pyarrow as pa

        try:
            yield
        except (EOFError, zlib.error, lzma.LZMAError, pa.ArrowException) as error:
            raise DataError(f"{self.path} is damaged after row {_number(after)}: {error}") from error
        except OSError as error:
            # With a number it is the disk or network that failed, not the content.
            if error.errno is not None:
                raise
            raise DataError(f"{self.path} is damaged after row {_number(after)}: {error}") from error


def _number(after: object) -> object:
    return after() if callable(after) else after
