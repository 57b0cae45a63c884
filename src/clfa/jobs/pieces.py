"""Division of the input of a job into pieces (whole files or shards); deterministic."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from clfa.errors import DataError
from clfa.tables.row import Row, TableOptions
from clfa.tables.rows import count_rows
from clfa.tables.shards import ROWS_PER_SHARD, Shard, list_files, plan_shards
from clfa.tables.table import Stretch, Table

__all__ = [
    "ROWS_PER_SHARD",
    "Piece",
    "input_files",
    "piece_length",
    "piece_rows",
    "shards",
    "whole_files",
]


@dataclass(frozen=True)
class Piece:
    """Consecutive rows of one file.

    Args:
        number: Index in the list of pieces, from 0.
        path: Absolute path of the file; the same on all machines.
        source: Name of the file in results: its path relative to the common folder of all files.
        alone: Whether it is the only file.
        shard: Rows of the piece; all rows by default.
    """

    number: int
    path: str
    source: str
    alone: bool = True
    shard: Shard | None = None

    @property
    def first(self) -> int:
        """Number of rows of the file before this piece."""
        return 0 if self.shard is None else self.shard.first

    @property
    def rows(self) -> int | None:
        """Number of rows of this piece, or ``None`` if they were not counted."""
        return None if self.shard is None else self.shard.rows

    def to_json(self) -> str:
        """Return this piece as JSON, to send it to other machines."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Piece:
        """Return a piece from the result of :meth:`to_json`."""
        content = json.loads(text)
        shard = content.pop("shard")
        return cls(**content, shard=None if shard is None else Shard(**shard))

    def at(self, number: int) -> str:
        """Return the name of a row of the file, for messages."""
        return f"row {number}" if self.alone else f"{self.source} row {number}"


def input_files(source: str | os.PathLike[str], output: Path) -> list[Path]:
    """Return the files of a table: a file, those in a folder, or those of a glob pattern.

    Raises:
        DataError: If there are no files, a file cannot be read as a table, or the output is one of them.
    """
    files = list_files(source)
    folder = Path(source)
    if folder.is_dir() and output.absolute().is_relative_to(folder.absolute()):
        raise DataError(f"the output {output} lies in the input folder and would be read as input; move it.")
    if output.absolute() in files:
        raise DataError(f"{output} is the input; give another output.")
    return files


def whole_files(files: Sequence[Path]) -> list[Piece]:
    """Return a piece for each file."""
    root = _root(files)
    sources = [path.relative_to(root).as_posix() for path in files]
    return [
        Piece(n, str(path), source, len(files) == 1)
        for n, (path, source) in enumerate(zip(files, sources, strict=True))
    ]


def shards(files: Sequence[Path], rows_per_shard: int, options: TableOptions | None = None) -> list[Piece]:
    """Return pieces of about ``rows_per_shard`` rows; see :func:`clfa.tables.shards.plan_shards`.

    Raises:
        DataError: If a file cannot be read, or there are no rows.
    """
    alone = len(files) == 1
    return [Piece(s.number, s.path, s.source, alone, s) for s in plan_shards(files, rows_per_shard, options)]


def piece_rows(piece: Piece, table: Table, done: int, columns: Sequence[str]) -> Iterator[Row]:
    """Yield the rows of a piece, numbered as in the whole file.

    Args:
        piece: The piece.
        table: Its file, open.
        done: Number of rows of the piece to skip.
        columns: Required columns; a format may omit the others.

    Raises:
        DataError: If the file does not have the format of its suffix, is damaged, or does not exist.
        OSError: If reading fails for other reasons.
    """
    shard = piece.shard
    if shard is None:
        yield from table.rows(done)
    else:
        rows = table.stretch(Stretch(shard.first, shard.rows, shard.start, shard.stop), columns)
        yield from islice(rows, done, None)


def piece_length(piece: Piece) -> int | None:
    """Return the number of rows of a piece, or ``None`` if it is unknown."""
    return count_rows(piece.path) if piece.shard is None else piece.shard.rows


def _root(files: Sequence[Path]) -> Path:
    return Path(os.path.commonpath([path.parent for path in files]))
