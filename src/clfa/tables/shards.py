"""A table of any size as a list of shards: stretches of rows of its files, the same list every time."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clfa.errors import DataError
from clfa.tables.rows import MAX_LINE, SUFFIXES, Row, iter_rows

ROWS_PER_SHARD = 10_000
# Bytes copied, or read ahead, at a time.
_BLOCK = 1024 * 1024


@dataclass(frozen=True)
class Shard:
    """Consecutive rows of one file.

    Args:
        number: Place in the list of shards, from 0.
        path: The file, absolute: every machine has to see it under this name.
        source: What to call the file: its path below the folder that holds all files.
        first: Rows of the file before this shard.
        rows: Rows of this shard.
        start: Where it begins: a byte, or in Parquet a row group.
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
        found = [path for path in Path(name).rglob("*") if path.is_file() and path.suffix in SUFFIXES]
        # Half-written files and other programs' notes, as every reader of Parquet folders has it.
        found = [path for path in found if not path.name.startswith((".", "_"))]
    else:
        found = [Path(name)]
        if not found[0].is_file():
            raise DataError(
                f"input {name} does not exist; give a file, a folder or a pattern such as 'posts/*.parquet'."
            )
    unknown = [path for path in found if path.suffix not in SUFFIXES]
    if unknown:
        raise DataError(f"{unknown[0]}: unknown suffix {unknown[0].suffix!r}; use one of {', '.join(SUFFIXES)}.")
    if not found:
        raise DataError(f"no input files in {name}; files ending in {', '.join(SUFFIXES)} are read.")
    suffixes = sorted({path.suffix for path in found})
    if len(suffixes) > 1:
        raise DataError(f"{name} holds files of several formats ({', '.join(suffixes)}); choose with '*{suffixes[0]}'.")
    return sorted(path.absolute() for path in found)


def plan_shards(files: Sequence[Path], rows_per_shard: int = ROWS_PER_SHARD) -> list[Shard]:
    """Cut files into shards; none spans two files, and empty files have none.

    Parquet files are cut between row groups, from their footers alone; a row group larger than ``rows_per_shard`` stays
    whole. JSONL files are read once for where lines end. CSV and TSV files are read once for their number of rows and
    stay whole, since a row's place cannot be told without what comes before it.

    Args:
        files: Absolute paths, from :func:`list_files`.
        rows_per_shard: Rows aimed at.

    Raises:
        DataError: When a Parquet, CSV or TSV file cannot be read, or there is not one row.
    """
    root = Path(os.path.commonpath([path.parent for path in files]))
    shards: list[Shard] = []
    for path in files:
        cut = _parquet_cuts if path.suffix == ".parquet" else _text_cuts
        first = 0
        for start, stop, rows in cut(path, rows_per_shard):
            source = path.relative_to(root).as_posix()
            shards.append(Shard(len(shards), str(path), source, first, rows, start, stop))
            first += rows
    if not shards:
        raise DataError(f"the input has no rows: {len(files)} empty file(s), {files[0]} first.")
    return shards


# Where each shard starts and stops, and its rows.
Cuts = list[tuple[int, int, int]]


def _parquet_cuts(path: Path, rows_per_shard: int) -> Cuts:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error
    cuts: Cuts = []
    start = rows = 0
    for group in range(metadata.num_row_groups):
        size = metadata.row_group(group).num_rows
        if rows and rows + size > rows_per_shard:
            cuts.append((start, group, rows))
            start, rows = group, 0
        rows += size
    if rows:
        cuts.append((start, metadata.num_row_groups, rows))
    return cuts


def _text_cuts(path: Path, rows_per_shard: int) -> Cuts:
    if path.suffix in (".csv", ".tsv"):
        # Quotes, encodings and line ends are questions to the whole file; only its reader answers them.
        rows = sum(1 for _ in iter_rows(path))
        return [(0, path.stat().st_size, rows)] if rows else []
    with open(path, "rb") as file:
        return _cuts(_line_ends(file), rows_per_shard)


def _cuts(ends: Iterator[int], rows_per_shard: int) -> Cuts:
    cuts: Cuts = []
    start = rows = stop = 0
    for stop in ends:
        rows += 1
        if rows == rows_per_shard:
            cuts.append((start, stop, rows))
            start, rows = stop, 0
    if rows:
        cuts.append((start, stop, rows))
    return cuts


def _line_ends(file: IO[bytes]) -> Iterator[int]:
    """Where each row ends, rows being what :func:`clfa.tables.rows.iter_rows` takes for one."""
    position, whole = 0, True
    while line := file.readline(MAX_LINE):
        position += len(line)
        continued, whole = not whole, line.endswith(b"\n") or len(line) < MAX_LINE
        if whole and (continued or line.strip()):
            yield position
    if not whole:
        yield position


def shard_rows(shard: Shard, columns: Sequence[str] | None = None) -> Iterator[Row]:
    """Rows of a shard, numbered as in the whole file.

    Args:
        shard: Which.
        columns: Columns that are needed; Parquet's others are not read.

    Raises:
        DataError: When the file cannot be read.
    """
    if shard.path.endswith(".parquet"):
        yield from _parquet_rows(shard, columns)
        return
    path = Path(shard.path)
    if path.suffix in (".csv", ".tsv") or (shard.start == 0 and shard.stop == path.stat().st_size):
        yield from iter_rows(path)
        return
    # Read as a small file of its own, so that there is one reader with one set of rules.
    with tempfile.TemporaryDirectory(prefix="clfa-shard-") as folder:
        part = Path(folder) / path.name
        with open(path, "rb") as file, open(part, "wb") as copy:
            file.seek(shard.start)
            left = shard.stop - shard.start
            while left and (block := file.read(min(left, _BLOCK))):
                copy.write(block)
                left -= len(block)
        try:
            for row in iter_rows(part):
                yield Row(row.number + shard.first, row.values, row.error)
        except DataError as error:
            raise DataError(str(error).replace(str(part), shard.path)) from error


def _parquet_rows(shard: Shard, columns: Sequence[str] | None) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = shard.first
    try:
        # Through a buffer, so that a row group of any size is never in memory as a whole.
        with pq.ParquetFile(shard.path, buffer_size=_BLOCK, pre_buffer=False) as file:
            present = file.schema_arrow.names
            wanted = None if columns is None else [name for name in present if name in columns]
            groups = range(shard.start, shard.stop)
            for batch in file.iter_batches(batch_size=256, row_groups=groups, columns=wanted):
                # Without any column there are rows all the same.
                for values in batch.to_pylist() if batch.num_columns else [{} for _ in range(batch.num_rows)]:
                    number += 1
                    yield Row(number, values)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{shard.path} is damaged after row {number}: {error}") from error


def column_names(shard: Shard, look: int = 32) -> set[str]:
    """Columns of a shard: declared ones, or those of the first rows of a JSONL file; empty where no row is readable."""
    if shard.path.endswith(".parquet"):
        import pyarrow.parquet as pq

        return set(pq.read_schema(shard.path).names)
    names: set[str] = set()
    for number, row in enumerate(shard_rows(shard)):
        if number == look:
            break
        names |= set(row.values)
    return names


def file_facts(files: Sequence[Path]) -> list[dict[str, Any]]:
    """Name, size and time of each file: enough to notice that an input changed between two runs."""
    facts = []
    for path in files:
        status = path.stat()
        facts.append({"path": str(path), "bytes": status.st_size, "modified_ns": status.st_mtime_ns})
    return facts
