"""Where results go, by the suffix of the output's name. A new format is one module here and one line below."""

from __future__ import annotations

import os
from pathlib import Path

from clfa.errors import DataError
from clfa.jobs.outputs.base import Output
from clfa.registry import Registry

FOLDER = "folder"
# Suffixes of folders that do not exist yet: none, and that of folders named after their input.
_FOLDER_SUFFIXES = ("", ".predictions")

OUTPUTS = Registry(
    "output format",
    {
        ".jsonl": "clfa.jobs.outputs.jsonl:JsonlOutput",
        ".ndjson": "clfa.jobs.outputs.jsonl:JsonlOutput",
        ".csv": "clfa.jobs.outputs.csv_file:CsvOutput",
        ".parquet": "clfa.jobs.outputs.parquet:ParquetOutput",
        FOLDER: "clfa.jobs.outputs.folder:FolderOutput",
    },
    base="clfa.jobs.outputs.base:Output",
)


def output_kind(path: str | os.PathLike[str]) -> str:
    """Return the name in :data:`OUTPUTS` that a path asks for.

    Raises:
        DataError: For an unknown suffix.
    """
    place = Path(path)
    suffix = place.suffix.lower()
    if place.is_dir() or suffix in _FOLDER_SUFFIXES:
        return FOLDER
    if suffix not in OUTPUTS:
        known = ", ".join(name for name in OUTPUTS.names() if name != FOLDER)
        raise DataError(f"{path}: unknown suffix {place.suffix!r}; use one of {known}, or none for a folder.")
    return suffix


def open_output(path: str | os.PathLike[str], kind: str | None = None) -> Output:
    """Return the output at a path.

    Args:
        path: File or folder to write.
        kind: Name in :data:`OUTPUTS`; what the path asks for when not given.

    Raises:
        DataError: For an unknown suffix.
    """
    output: Output = OUTPUTS.get(kind or output_kind(path))(Path(path))
    return output
