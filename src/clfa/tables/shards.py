"""A table of any size as a list of shards: stretches of rows of its files, the same list every time."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.errors import DataError
from clfa.tables.formats import is_table, known_suffixes, table_suffix
from clfa.tables.row import Row, TableOptions
from clfa.tables.rows import open_rows
from clfa.tables.table import Stretch

ROWS_PER_SHARD = 10_000


@dataclass(frozen=True)
class Shard:
    """Consecutive rows of one file.

    Args:
        number: Place in the list of shards, from 0.
        path: The file, absolute: every machine has to see it under this name.
        source: What to call the file: its path below the folder that holds all files.
        first: Rows of the file before this shard.
        rows: Rows of this shard.
        start: Where it begins, in the unit of :class:`clfa.tables.table.Stretch`.
        stop: Where it ends, exclusive, in the same unit.
    """

    number: int
    path: str
    source: str
    first: int
    rows: int
    start: int
    stop: int


def list_files(source: str | os.PathLike[str]) -> list[Path]:
    """Files of a table, in a fixed order.

    Args:
        source: A file, a folder that is searched through, or a glob pattern (``**`` for any depth).

    Raises:
        DataError: When there are none, or of several formats.
    """
    name = os.fspath(source)
    if glob.has_magic(name) and not os.path.exists(name):
        found = [Path(path) for path in glob.glob(name, recursive=True) if os.path.isfile(path)]
    elif os.path.isdir(name):
        found = [path for path in Path(name).rglob("*") if path.is_file() and is_table(path.name)]
        # Half-written files and other programs' notes, as every reader of Parquet folders has it.
        found = [path for path in found if not path.name.startswith((".", "_"))]
    else:
        found = [Path(name)]
        if not found[0].is_file():
            raise DataError(
                f"input {name} does not exist; give a file, a folder or a pattern such as 'posts/*.parquet'."
            )
    unknown = [path for path in found if not is_table(path.name)]
    if unknown:
        suffix = table_suffix(unknown[0].name)
        raise DataError(f"{unknown[0]}: unknown suffix {suffix!r}; use one of {', '.join(known_suffixes())}.")
    if not found:
        raise DataError(f"no input files in {name}; files ending in {', '.join(known_suffixes())} are read.")
    suffixes = sorted({table_suffix(path.name) for path in found})
    if len(suffixes) > 1:
        raise DataError(f"{name} holds files of several formats ({', '.join(suffixes)}); choose with '*{suffixes[0]}'.")
    return sorted(path.absolute() for path in found)


def plan_shards(
    files: Sequence[Path], rows_per_shard: int = ROWS_PER_SHARD, options: TableOptions | None = None
) -> list[Shard]:
    """Cut files into shards; none spans two files, and empty files have none.

    Parquet files are cut between row groups, from their footers alone; a row group larger than ``rows_per_shard`` stays
    whole. Other files are read once for where their rows begin.

    Args:
        files: Absolute paths, from :func:`list_files`.
        rows_per_shard: Rows aimed at.
        options: How to read the files.

    Raises:
        DataError: When a file cannot be read, or there is not one row.
    """
    root = Path(os.path.commonpath([path.parent for path in files]))
    shards: list[Shard] = []
    for path in files:
        source = path.relative_to(root).as_posix()
        for part in open_rows(path, options).stretches(rows_per_shard):
            shards.append(Shard(len(shards), str(path), source, part.first, part.rows, part.start, part.stop))
    if not shards:
        raise DataError(f"the input has no rows: {len(files)} empty file(s), {files[0]} first.")
    return shards


def shard_rows(
    shard: Shard, columns: Sequence[str] | None = None, options: TableOptions | None = None
) -> Iterator[Row]:
    """Read the rows of a shard, numbered as in the whole file.

    Args:
        shard: Which.
        columns: Columns that are needed; Parquet's others are not read.
        options: How to read its file, as for :func:`plan_shards`.

    Raises:
        DataError: When the file cannot be read.
    """
    stretch = Stretch(shard.first, shard.rows, shard.start, shard.stop)
    yield from open_rows(shard.path, options).stretch(stretch, columns)


def file_facts(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Name, size and time of each file: enough to notice that an input changed between two runs."""
    facts = []
    for path in files:
        status = path.stat()
        facts.append({"path": str(path), "bytes": status.st_size, "modified_ns": status.st_mtime_ns})
    return facts
