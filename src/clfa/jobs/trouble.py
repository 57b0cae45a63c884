"""Errors of storage and clusters during a job."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clfa.errors import CLFAError


class StorageError(CLFAError):
    """Input could not be read, or output could not be written, for reasons other than its content."""


class ClusterError(CLFAError):
    """A cluster is unavailable, too small, or lost."""


@contextmanager
def storage(place: Path | str, doing: str = "written to") -> Iterator[None]:
    """Convert an :class:`OSError` of the block to a :class:`StorageError`.

    Args:
        place: File or folder, for the message.
        doing: The failed operation, for the message.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"{place} cannot be {doing}: {error}.") from error
