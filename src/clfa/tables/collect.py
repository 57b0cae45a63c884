"""CSV, TSV, JSON lines and Parquet files, read without trusting their encoding, quoting or types."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import pyarrow as pa
from datasets import Dataset
from datasets.table import InMemoryTable

from clfa.data.images import is_address
from clfa.data.schema import Dropped
from clfa.errors import DataError
from clfa.tables.encoding import decode_bytes

MAX_TEXT_BYTES = 2 * 1024**3
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet")


def read_table(path: str, dropped: list[Dropped]) -> Dataset:
    """One table file (or fsspec address) as it is, every column of a CSV or TSV being text.

    Args:
        path: File whose suffix is one of :data:`SUFFIXES`.
        dropped: Gets the lines that cannot be parsed.

    Raises:
        DataError: Missing file, unknown suffix, or a file that is broken as a whole.
    """
    suffix = PurePosixPath(path.split("::")[0]).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown kind of table; expected one of {', '.join(SUFFIXES)}")
    try:
        content = _read_bytes(path)
        if suffix == ".parquet":
            table = _read_parquet(content)
        elif suffix in (".csv", ".tsv"):
            table = _read_csv(_decode(content), "\t" if suffix == ".tsv" else ",", path, dropped)
        else:
            table = _read_json(_decode(content), suffix == ".json", path, dropped)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except Exception as error:  # Parsers and remote file systems raise their own types.
        raise DataError(f"{path}: cannot be read as a table: {type(error).__name__}: {error}") from error
    return table


def from_columns(columns: Mapping[str, list[Any]]) -> Dataset:
    """A data set from columns of Python values; a column of mixed types becomes text."""
    return Dataset(InMemoryTable.from_pydict({name: _array(values) for name, values in columns.items()}))


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, OverflowError):
        return pa.array([value if value is None else str(value) for value in values])


def _read_bytes(path: str) -> bytes:
    if is_address(path):
        import fsspec

        with fsspec.open(path, "rb") as file:
            content = bytes(file.read(MAX_TEXT_BYTES + 1))
    else:
        with open(path, "rb") as file:
            content = file.read(MAX_TEXT_BYTES + 1)
    if len(content) > MAX_TEXT_BYTES:
        raise DataError(f"{path}: larger than {MAX_TEXT_BYTES:,} bytes; split it, or use the hub reader on a folder")
    return content


def _decode(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return decode_bytes(content)[0]
    # Rows from several sources: each line has its own encoding.
    return "".join(decode_bytes(line)[0] for line in content.splitlines(keepends=True))


def _read_parquet(content: bytes) -> Dataset:
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))
    table = table.select([name for name in table.column_names if not name.startswith("__index_level_")])
    return Dataset(InMemoryTable(table))


def _read_csv(text: str, separator: str, path: str, dropped: list[Dropped]) -> Dataset:
    header, rows, bad = _parse_csv(text, separator, csv.QUOTE_MINIMAL, path)
    if separator == "\t" and any("\t" in cell for row in rows for cell in row):
        # A bare quote at the start of a post swallowed the fields after it: the file is not quoted at all.
        header, rows, bad = _parse_csv(text, separator, csv.QUOTE_NONE, path)
    dropped.extend(bad)
    return from_columns({name: [row[i] or None for row in rows] for i, name in enumerate(header)})


def _parse_csv(
    text: str, separator: str, quoting: Literal[0, 3], path: str
) -> tuple[list[str], list[list[str]], list[Dropped]]:
    reader = csv.reader(io.StringIO(text.replace("\x00", ""), newline=""), delimiter=separator, quoting=quoting)
    header = [name.strip() for name in next(reader, [])]
    if not any(header):
        raise DataError(f"{path}: the file is empty; expected a line with column names")
    if len(set(header)) < len(header):
        raise DataError(f"{path}: a column name occurs twice in the first line: {', '.join(header)}")
    rows, bad = [], []
    for row in reader:
        if len(row) == len(header):
            rows.append(row)
        elif row:
            detail = f"{len(row)} fields instead of {len(header)}: {' | '.join(row)[:80]}"
            bad.append(Dropped("", "", f"{path}:{reader.line_num}", "bad line", detail))
    return header, rows, bad


def _read_json(text: str, whole: bool, path: str, dropped: list[Dropped]) -> Dataset:
    records: list[Mapping[str, Any]] = []
    stream: Iterable[tuple[int, Any]]
    if whole:
        loaded = json.loads(text)
        if not isinstance(loaded, list):
            raise DataError(f"{path}: expected a list of objects, found {type(loaded).__name__}")
        stream = enumerate(loaded)
    else:
        stream = enumerate(text.split("\n"), start=1)
    for number, item in stream:
        if isinstance(item, str) and not item.strip():
            continue
        try:
            record = item if whole else json.loads(item)
        except (ValueError, RecursionError) as error:
            dropped.append(Dropped("", "", f"{path}:{number}", "bad line", str(error)))
            continue
        if not isinstance(record, dict):
            dropped.append(Dropped("", "", f"{path}:{number}", "bad line", "not an object"))
            continue
        records.append(record)
    names = list(dict.fromkeys(name for record in records for name in record))
    if not names:
        raise DataError(f"{path}: no objects in it")
    return from_columns({name: [record.get(name) for record in records] for name in names})
