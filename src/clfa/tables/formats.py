"""Registry of table formats by suffix. A new format is one file with a :class:`clfa.tables.table.Table`."""

from __future__ import annotations

from pathlib import PurePosixPath

from clfa.registry import Registry
from clfa.tables.compression import COMPRESSIONS

# Each entry takes a path and :class:`clfa.tables.row.TableOptions`.
TABLE_FORMATS = Registry(
    "table format",
    {
        ".csv": "clfa.tables.delimited:DelimitedTable",
        ".tsv": "clfa.tables.delimited:DelimitedTable",
        ".jsonl": "clfa.tables.json_shapes:open_json",
        ".ndjson": "clfa.tables.json_shapes:open_json",
        ".json": "clfa.tables.json_shapes:open_json",
        ".parquet": "clfa.tables.parquet:ParquetTable",
        ".xlsx": "clfa.tables.excel:ExcelTable",
    },
)


def table_suffix(path: str) -> str:
    """Return the format suffix in lower case, without a compression suffix."""
    name = PurePosixPath(path.split("::")[0].lower())
    return PurePosixPath(name.stem).suffix if name.suffix in COMPRESSIONS else name.suffix


def table_stem(path: str) -> str:
    """Return the file name in lower case, without the suffixes of format and compression."""
    name = PurePosixPath(path.split("::")[0].lower())
    return PurePosixPath(name.stem).stem if name.suffix in COMPRESSIONS else name.stem


def is_table(path: str) -> bool:
    """Return whether ``path`` has the suffix of a table format."""
    return table_suffix(path) in TABLE_FORMATS


def known_suffixes() -> list[str]:
    """Return all format suffixes, without compression suffixes."""
    return TABLE_FORMATS.names()
