"""Second attempts at reading, for errors of storage that may pass: network disks, too many open files."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from urllib.error import HTTPError, URLError

# Seconds before each further attempt. Short, because a disk that is gone fails for every picture of a table.
WAITS = (0.05, 0.2)
# Windows has not all of them.
_PASSING = {
    getattr(errno, name)
    for name in (
        "EAGAIN",
        "EBUSY",
        "ECONNABORTED",
        "ECONNREFUSED",
        "ECONNRESET",
        "EINTR",
        "EIO",
        "EMFILE",
        "ENETRESET",
        "ENETUNREACH",
        "ENFILE",
        "ENOBUFS",
        "ENOMEM",
        "EREMOTEIO",
        "ESTALE",
        "ETIMEDOUT",
    )
    if hasattr(errno, name)
}
# Too many requests, bad gateway, unavailable, gateway timeout.
_BUSY = (429, 502, 503, 504)


def read_again(read: Callable[[], bytes]) -> bytes:
    """Return what ``read`` returns; try twice more, a moment later each, if its error may pass.

    Args:
        read: Reads a whole file.

    Raises:
        Exception: The error of the last attempt, or the first one that does not pass.
    """
    for seconds in WAITS:
        try:
            return read()
        except Exception as error:
            if not may_pass(error):
                raise
        time.sleep(seconds)
    return read()


def may_pass(error: BaseException) -> bool:
    """Return whether an error of reading says something about the storage now, and nothing about the file.

    Args:
        error: An error of the operating system, or of a request.
    """
    if isinstance(error, HTTPError):
        return error.code in _BUSY
    if isinstance(error, URLError):
        return isinstance(error.reason, BaseException) and may_pass(error.reason)
    return isinstance(error, OSError) and error.errno in _PASSING
