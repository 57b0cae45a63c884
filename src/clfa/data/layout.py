"""Detection of the reader for a directory, and the error message for a wrong reader."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from clfa.errors import DataError
from clfa.nearest import path_hint
from clfa.tables.formats import is_table, table_stem

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
_SHOWN = 8


def guess_reader(path: Path) -> str | None:
    """Return the name of the reader for ``path``, or ``None``."""
    # Imported here, because a name that does not exist is reported without the import of `datasets`.
    from clfa.data.splits import split_name

    if path.is_file():
        return "table" if is_table(path.name) else None
    if not path.is_dir():
        return None
    labels = path / "labelResultAll.txt"
    if labels.is_file():
        with labels.open(encoding="utf-8", errors="replace") as file:
            return "mvsa-multiple" if file.readline(1000).count("\t") > 1 else "mvsa-single"
    if any((path / folder / "valid2.txt").is_file() for folder in (".", "original", "text")):
        return "mmsd"
    if any((path / folder / "valid.json").is_file() for folder in (".", "mmsd2", "text_json_final")):
        return "mmsd2"
    if (path / "flickr8k.TrainImages.txt").is_file():
        return "flickr8k-match"
    if (path / "annotations" / "train.jsonl").is_file():
        return "harmeme"
    files = [entry for entry in path.iterdir() if entry.is_file()]
    if any(entry.name in ("metadata.csv", "metadata.jsonl") for entry in files):
        return "image-folder"
    if any(is_table(entry.name) and split_name(table_stem(entry.name)) for entry in files):
        return "table"
    if _has_image_folders(path, split_name):
        return "image-folder"
    return "hub" if next(path.glob("**/*.parquet"), None) else None


def _has_image_folders(path: Path, split_name: Callable[[str], str | None]) -> bool:
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir())[:20]:
        for entry in sorted(folder.iterdir())[:20]:
            if entry.suffix.lower() in IMAGE_SUFFIXES or (entry.is_dir() and split_name(folder.name)):
                return True
    return False


def layout_error(reader: str, path: Path, expected: str) -> DataError:
    """Return the error for a directory without the files that ``reader`` expects.

    Args:
        reader: Name of the reader.
        path: The directory.
        expected: Description of the expected files.
    """
    if not path.exists():
        return DataError(f"{path}: no such file or directory; the {reader} reader expects {expected}.{path_hint(path)}")
    if path.is_dir():
        entries = sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir())
        more = f", ... ({len(entries)} entries)" if len(entries) > _SHOWN else ""
        found = (", ".join(entries[:_SHOWN]) + more) or "nothing: the directory is empty"
    else:
        found = "a file"
    fitting = guess_reader(path)
    hint = f" Use the {fitting} reader." if fitting not in (None, reader) else ""
    return DataError(f"{path}: the {reader} reader expects {expected}; found {found}.{hint}")
