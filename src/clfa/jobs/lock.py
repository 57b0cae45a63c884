"""One process at a time at an output."""

from __future__ import annotations

import logging
from pathlib import Path

from filelock import FileLock, Timeout

from clfa.errors import Argument, DataError

logger = logging.getLogger(__name__)


class OutputLock:
    """A lock file in the folder of the unfinished work.

    Args:
        path: The lock file; its folder is made if absent.
        output: What it is about, for messages.

    Raises:
        DataError: When another process holds it.
    """

    def __init__(self, path: Path, output: Path) -> None:
        self.path = path
        self._lock = FileLock(path)
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
            if path.exists():
                return
            # The process that held it before removed it with its folder in between.
            self._lock.release()

    def release(self) -> None:
        """Let others have it."""
        self._lock.release()
