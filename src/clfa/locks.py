"""Locks between processes that use the same files."""

from __future__ import annotations

import os
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock


def file_lock(path: str | os.PathLike[str]) -> BaseFileLock:
    """Return a lock; the system releases it when the process ends.

    Where the system has no locks, the file itself is the lock while it exists. It has another name then: a lock of the
    system leaves its file behind, which would be waited for without end.

    Args:
        path: The lock file; its folder must exist when the lock is acquired.
    """
    path = Path(path)
    # Type checkers see the class of their own platform.
    soft = issubclass(FileLock, SoftFileLock)
    return FileLock(path.with_name(f"{path.name}.held") if soft else path)
