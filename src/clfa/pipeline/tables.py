"""Rows of JSONL, CSV, TSV and Parquet files, one at a time, whatever the file's size."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.errors import DataError

SUFFIXES = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
# A line beyond this is no post; it is reported instead of read into memory as one.
MAX_LINE = 64 * 1024 * 1024


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


def iter_rows(path: str | Path) -> Iterator[Row]:
    """Stream a table.

    A JSONL line that is not an object comes as a row with an error; the rest of the file is still read.

    Raises:
        DataError: When the file does not exist, has an unknown suffix, or cannot be opened as what its suffix says.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"input file {path} does not exist.")
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown suffix {path.suffix!r}; use one of {', '.join(SUFFIXES)}.")
    if path.suffix == ".parquet":
        yield from _parquet_rows(path)
    elif path.suffix in (".csv", ".tsv"):
        yield from _csv_rows(path, "\t" if path.suffix == ".tsv" else ",")
    else:
        yield from _jsonl_rows(path)


def _jsonl_rows(path: Path) -> Iterator[Row]:
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE):
            if not line.strip():
                continue
            number += 1
            if len(line) == MAX_LINE and not line.endswith(b"\n"):
                while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                    pass
                yield Row(number, {}, f"the line is longer than {MAX_LINE:,} bytes")
                continue
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Row(number, {}, f"not valid JSON: {error}")
                continue
            if isinstance(values, dict):
                yield Row(number, values)
            else:
                yield Row(number, {}, f"a JSON object was expected, not {type(values).__name__}")


def _csv_rows(path: Path, delimiter: str) -> Iterator[Row]:
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            for number, values in enumerate(reader, start=1):
                yield Row(number, {name: value for name, value in values.items() if name is not None})
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV in UTF-8: {error}") from error


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
    except pa.ArrowInvalid as error:
        raise DataError(f"{path} is not a Parquet file: {error}") from error
    number = 0
    with file:
        try:
            for batch in file.iter_batches(batch_size=256):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(number, values)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} is damaged after row {number}: {error}") from error
