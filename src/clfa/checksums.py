"""Checksums of the files of a folder: a changed bit in a weight would be a silent change of the result."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from clfa.files import write_json

CHECKSUMS_FILE = "checksums.json"
_CHUNK = 1 << 20


def write_checksums(folder: Path) -> None:
    """Write the checksums (CRC-32) of all files of a complete folder, such as a checkpoint, into it.

    Args:
        folder: The folder.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CHECKSUMS_FILE)
    found = {path.relative_to(folder).as_posix(): _checksum(path) for path in files}
    write_json(folder / CHECKSUMS_FILE, found)


def altered(folder: Path) -> str | None:
    """Return which file of a folder is not as it was written; ``None`` if all are, or it has no checksums.

    Args:
        folder: The folder.

    Raises:
        OSError: If a file cannot be read now.
    """
    path = folder / CHECKSUMS_FILE
    if not path.is_file():
        return None
    try:
        expected = {str(name): int(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        return f"{CHECKSUMS_FILE}: {error}"
    for name, value in expected.items():
        try:
            found = _checksum(folder / name)
        except FileNotFoundError:
            return f"{name} is missing"
        if found != value:
            return f"{name}: it has another checksum"
    return None


def _checksum(path: Path) -> int:
    value = 0
    with open(path, "rb") as file:
        while content := file.read(_CHUNK):
            value = zlib.crc32(content, value)
    return value
