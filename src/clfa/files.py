"""Atomic writing of files."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

# The umask can only be read by setting it; done once, at import.
_UMASK = os.umask(0o022)
os.umask(_UMASK)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Return a context with a temporary path, which is renamed to ``path`` if the block ends without an error.

    Args:
        path: Final path; its folder is created if absent.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    os.close(handle)
    try:
        # Temporary files are private; give the finished file the user's default permissions.
        os.chmod(temporary, 0o666 & ~_UMASK)
        yield Path(temporary)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def atomic_write(path: str | os.PathLike[str], newline: str = "\n") -> Iterator[IO[str]]:
    """Return a context with a text file, which appears at ``path`` if the block ends without an error.

    Args:
        path: Final path; its folder is created if absent.
        newline: As in :func:`open`; by default the same line end on all systems.
    """
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline=newline) as file:
        yield file


def json_text(content: Any, **options: Any) -> str:
    """Return ``content`` as JSON. Numbers that are not finite become ``null``: JSON has no NaN and no infinity.

    Args:
        content: Values that JSON knows.
        options: Further arguments of :func:`json.dumps`.

    Example:
        >>> json_text({"auc": float("nan"), "f1": 0.5})
        '{"auc": null, "f1": 0.5}'
    """
    options.setdefault("ensure_ascii", False)
    try:
        return json.dumps(content, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(content), allow_nan=False, **options)


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write ``content`` as indented JSON, atomically; see :func:`json_text`."""
    with atomic_write(path) as file:
        file.write(json_text(content, indent=2) + "\n")


def write_jsonl(path: str | os.PathLike[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, atomically; see :func:`json_text`."""
    with atomic_write(path) as file:
        for row in rows:
            file.write(json_text(row) + "\n")
