"""Rows of JSONL, CSV, TSV and Parquet files, one at a time, whatever the file's size."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clfa.errors import DataError
from clfa.tables.encoding import decode_bytes

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
# A line beyond this is no post; it is reported instead of read into memory as one.
MAX_LINE = 64 * 1024 * 1024
# Rows of Parquet in memory at once: with encoded pictures in them a hundred may be megabytes.
PARQUET_ROWS = 256
PARQUET_BUFFER = 1 << 20
# How bytes that are not UTF-8 come out of a file opened with `surrogateescape`.
_UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Args:
        number: Counted from 1, the header not counted.
        values: By column; empty when the row cannot be read.
        error: Why it cannot be read, or ``None``.
    """

    number: int
    values: dict[str, Any]
    error: str | None = None


def iter_rows(path: str | Path, start: int = 0) -> Iterator[Row]:
    """Stream a table.

    A JSONL line that is not an object, or a CSV row that cannot be parsed, comes as a row with an error; the rest of
    the file is still read. Lines of text that are not UTF-8 are decoded one by one, as training reads them
    (:mod:`clfa.tables.encoding`).

    Args:
        path: JSONL, CSV, TSV or Parquet file.
        start: Rows to pass over, for whoever has them already.

    Raises:
        DataError: When the file does not exist, has an unknown suffix, or cannot be opened as what its suffix says.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"input file {path} does not exist.")
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}.")
    if path.suffix == ".parquet":
        yield from _parquet_rows(path, start)
    elif path.suffix in (".csv", ".tsv"):
        yield from _csv_rows(path, start)
    else:
        yield from _jsonl_rows(path, start)


def count_rows(path: str | Path) -> int | None:
    """Rows of a table, where counting is cheap; ``None`` for CSV, whose rows may have any number of lines."""
    path = Path(path)
    if not path.is_file() or path.suffix not in SUFFIXES:
        return None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        try:
            return int(pq.read_metadata(path).num_rows)
        except (OSError, ValueError):
            return None
    if path.suffix in (".csv", ".tsv"):
        return None
    lines, last = 0, b"\n"
    with open(path, "rb") as file:
        while block := file.read(PARQUET_BUFFER):
            lines += block.count(b"\n")
            last = block[-1:]
    return lines + (last != b"\n")


def _jsonl_rows(path: Path, start: int) -> Iterator[Row]:
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            if not line.strip():
                continue
            number += 1
            too_long = len(line) == MAX_LINE and not line.endswith(b"\n")
            if too_long:
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
            if number <= start:
                continue
            if too_long:
                yield Row(number, {}, f"the line is longer than {MAX_LINE:,} bytes")
                continue
            try:
                values = _parse_json(line)
            except (ValueError, RecursionError, DataError) as error:
                yield Row(number, {}, f"not valid JSON: {error}")
                continue
            if isinstance(values, dict):
                yield Row(number, values)
            else:
                yield Row(number, {}, f"a JSON object was expected, not {type(values).__name__}")


def _parse_json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except UnicodeDecodeError:
        return json.loads(decode_bytes(line)[0])


def _csv_rows(path: Path, start: int) -> Iterator[Row]:
    quoting: Any = _quoting(path)
    with _open_text(path) as file:
        reader = csv.DictReader(_Lines(file), delimiter=_delimiter(path), quoting=quoting)
        try:
            columns = reader.fieldnames
        except (DataError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path} cannot be read as CSV: {error}") from error
        if columns is None:
            return
        number = 0
        while True:
            number += 1
            try:
                values = next(reader)
            except StopIteration:
                return
            except (csv.Error, DataError) as error:
                if number > start:
                    yield Row(number, {}, f"not valid CSV: {error}")
                continue
            except UnicodeDecodeError as error:
                raise DataError(f"{path} is damaged after row {number - 1}: {error}") from error
            if number > start:
                yield Row(number, {name: value for name, value in values.items() if name is not None})


def _quoting(path: Path) -> int:
    """Whether quotes mean anything: not in a TSV where a bare one at the start of a post swallows the next fields."""
    if path.suffix != ".tsv":
        return csv.QUOTE_MINIMAL
    with _open_text(path) as file:
        reader = csv.reader(_Lines(file), delimiter="\t")
        while True:
            try:
                if any("\t" in cell for cell in next(reader)):
                    return csv.QUOTE_NONE
            except StopIteration:
                return csv.QUOTE_MINIMAL
            except (csv.Error, DataError):
                # So large a field is what a quote that never ends makes.
                return csv.QUOTE_NONE
            except UnicodeDecodeError:
                return csv.QUOTE_MINIMAL


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _open_text(path: Path) -> IO[str]:
    with open(path, "rb") as file:
        head = file.read(2)
    if head in (b"\xff\xfe", b"\xfe\xff"):
        return open(path, encoding="utf-16", newline="")
    # Every byte that is not UTF-8 is kept, for :class:`_Lines` to decode with its whole line.
    return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")


class _Lines:
    """Lines of text, each in its own encoding. No generator: one that raised an error would be at its end."""

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.file.readline(MAX_LINE)
        if not line:
            raise StopIteration
        if _UNDECODED.search(line):
            line = decode_bytes(line.encode("utf-8", "surrogateescape"))[0]
        return line.replace("\x00", "")


def _parquet_rows(path: Path, start: int) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Through a buffer, so that a row group of any size is never in memory as a whole.
        file = pq.ParquetFile(path, buffer_size=PARQUET_BUFFER, pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error
    number = 0
    with file:
        groups = list(range(file.num_row_groups))
        while groups and number + file.metadata.row_group(groups[0]).num_rows <= start:
            number += file.metadata.row_group(groups.pop(0)).num_rows
        try:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS, row_groups=groups):
                if number + len(batch) <= start:
                    number += len(batch)
                    continue
                for values in batch.to_pylist():
                    number += 1
                    if number > start:
                        yield Row(number, values)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} is damaged after row {number}: {error}") from error
