"""Failures of disks, networks and clusters in the midst of work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clfa.errors import CLFAError


class StorageError(CLFAError):
    """Input that could not be read, or output that could not be written, for reasons outside its content."""


class ClusterError(CLFAError):
    """A cluster that is absent, too small, or lost."""


@contextmanager
def storage(place: Path | str, doing: str = "written to") -> Iterator[None]:
    """Turn an :class:`OSError` of the block into a :class:`StorageError`.

    Args:
        place: File or folder, for the message.
        doing: What could not be done with it.
    """
    try:
        yield
    except OSError as error:
        raise StorageError(f"{place} cannot be {doing}: {error}.") from error
