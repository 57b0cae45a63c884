"""Lock that lets one process at a time write an output."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

from filelock import SoftFileLock, Timeout

from clfa.errors import Argument, DataError
from clfa.locks import file_lock

logger = logging.getLogger(__name__)


class OutputLock:
    """A lock file in the folder of the unfinished work.

    Args:
        path: The lock file; its folder is created if it does not exist.
        output: Output path, for messages.

    Raises:
        DataError: If another process holds the lock.
    """

    def __init__(self, path: Path, output: Path) -> None:
        self.path = path
        self._lock = file_lock(path)
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                raise DataError(
                    f"{output} is being written by another process; wait for it, or give another ",
                    Argument("output"),
                    ".",
                ) from None
            except NotImplementedError:
                logger.warning("%s cannot be locked here; make sure that no other process writes to it.", output)
                return
            if Path(self._lock.lock_file).exists():
                return
            # The previous holder removed the file and its folder in the meantime.
            self._lock.release()

    def release(self) -> None:
        """Release the lock."""
        self._lock.release()

    def remove(self) -> None:
        """Remove the lock file and release the lock."""
        if not isinstance(self._lock, SoftFileLock):
            # Windows does not remove a file that is open; it stays there, as after a kill.
            with suppress(OSError):
                self.path.unlink()
        # Where the system has no locks, this removes the file.
        self._lock.release()
