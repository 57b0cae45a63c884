"""Division of the files of a table into shards of rows. The result is deterministic."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.errors import DataError
from clfa.nearest import path_hint
from clfa.tables.formats import is_table, known_suffixes, table_suffix
from clfa.tables.row import Row, TableOptions
from clfa.tables.rows import open_rows
from clfa.tables.table import Stretch

ROWS_PER_SHARD = 10_000


@dataclass(frozen=True)
class Shard:
    """Consecutive rows of one file.

    Args:
        number: Index in the list of shards, from 0.
        path: Absolute path of the file; it must be the same on every machine.
        source: Name of the file for messages: its path below the common folder of all files.
        first: Number of rows of the file before this shard.
        rows: Number of rows of this shard.
        start: Start, in the unit of :class:`clfa.tables.table.Stretch`.
        stop: End (exclusive), in the same unit.
    """

    number: int
    path: str
    source: str
    first: int
    rows: int
    start: int
    stop: int


def list_files(source: str | os.PathLike[str]) -> list[Path]:
    """Return the files of a table, sorted by path.

    Args:
        source: A file, a folder (searched recursively), or a glob pattern (``**`` for any depth).

    Raises:
        DataError: If there are no files, or files of several formats.
    """
    name = os.fspath(source)
    if glob.has_magic(name) and not os.path.exists(name):
        found = [Path(path) for path in glob.glob(name, recursive=True) if os.path.isfile(path)]
    elif os.path.isdir(name):
        found = [path for path in Path(name).rglob("*") if path.is_file() and is_table(path.name)]
        # Temporary and metadata files; readers of Parquet folders ignore the same names.
        found = [path for path in found if not path.name.startswith((".", "_"))]
    else:
        found = [Path(name)]
        if not found[0].is_file():
            raise DataError(
                f"input {name} does not exist; give a file, a folder or a pattern such as 'posts/*.parquet'."
                f"{path_hint(name)}"
            )
    unknown = [path for path in found if not is_table(path.name)]
    if unknown:
        suffix = table_suffix(unknown[0].name)
        raise DataError(f"{unknown[0]}: unknown suffix {suffix!r}; use one of {', '.join(known_suffixes())}.")
    if not found:
        raise DataError(f"no input files in {name}; supported suffixes: {', '.join(known_suffixes())}.")
    suffixes = sorted({table_suffix(path.name) for path in found})
    if len(suffixes) > 1:
        raise DataError(f"{name} holds files of several formats ({', '.join(suffixes)}); choose with '*{suffixes[0]}'.")
    return sorted(path.absolute() for path in found)


def plan_shards(
    files: Sequence[Path], rows_per_shard: int = ROWS_PER_SHARD, options: TableOptions | None = None
) -> list[Shard]:
    """Divide files into shards. A shard belongs to one file; an empty file has no shard.

    Shards of Parquet files consist of whole row groups, known from the footers; a row group larger than
    ``rows_per_shard`` is one shard. Other files are read once to find the offsets of their rows.

    Args:
        files: Absolute paths, from :func:`list_files`.
        rows_per_shard: Approximate number of rows of a shard.
        options: Options for reading the files.

    Raises:
        DataError: If a file cannot be read, or there are no rows.
    """
    root = Path(os.path.commonpath([path.parent for path in files]))
    shards: list[Shard] = []
    for path in files:
        source = path.relative_to(root).as_posix()
        for part in open_rows(path, options).stretches(rows_per_shard):
            shards.append(Shard(len(shards), str(path), source, part.first, part.rows, part.start, part.stop))
    if not shards:
        raise DataError(f"the input has no rows: {len(files)} empty file(s), for instance {files[0]}.")
    return shards


def shard_rows(
    shard: Shard, columns: Sequence[str] | None = None, options: TableOptions | None = None
) -> Iterator[Row]:
    """Read the rows of a shard, numbered as in the whole file.

    Args:
        shard: The shard.
        columns: Needed columns; other columns of a Parquet file are not read.
        options: Options for reading the file, as for :func:`plan_shards`.

    Raises:
        DataError: If the file cannot be read.
    """
    stretch = Stretch(shard.first, shard.rows, shard.start, shard.stop)
    yield from open_rows(shard.path, options).stretch(stretch, columns)


def file_facts(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Return path, size and modification time of each file, to detect changes of the input between two runs."""
    facts = []
    for path in files:
        status = path.stat()
        facts.append({"path": str(path), "bytes": status.st_size, "modified_ns": status.st_mtime_ns})
    return facts
