"""What a job is: a worker to be opened, and what it makes of rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pyarrow as pa

from clfa.cpu import busy
from clfa.jobs.wanted import WantedColumns
from clfa.tables.cells import Cells


@dataclass
class Outcome:
    """What became of one row.

    Args:
        values: The result, as it stands in a JSON record between ``id`` and ``error``.
        error: Why there is no result, or ``None``.
        reason: The kind of failure in two words, for counting.
        labels: Classes it counts for.
    """

    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    reason: str | None = None
    labels: Sequence[str] = ()


def _as_it_is(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values


@dataclass(frozen=True)
class ResultShape:
    """How results are written.

    Args:
        schema: Flat columns of a result, for CSV and Parquet; ``id`` and ``error`` are added to them.
        flatten: Makes the flat columns' values from an outcome's; absent ones are null.
        json: Whether outcomes' values are JSON values. Others (arrays) go to folders only.
    """

    schema: pa.Schema
    flatten: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_it_is
    json: bool = True


class Worker(ABC):
    """A loaded model at work on rows.

    Attributes:
        identity: What its results depend on, named in words, as JSON values: model, preprocessing, columns.
        shape: How its results are written.
        columns: Which columns of a table it reads.
        window_size: Rows it takes at a time.
        unreadable: Values of a row that cannot be read.
    """

    identity: dict[str, Any]
    shape: ResultShape
    columns: WantedColumns
    window_size: int
    unreadable: Mapping[str, Any] = {}

    def busy(self) -> AbstractContextManager[None]:
        """Return a context within which many windows follow each other: memory is held ready for the next one."""
        return busy()

    @abstractmethod
    def __call__(self, rows: Sequence[Cells]) -> list[Outcome]:
        """Return the results of readable rows, in order.

        Args:
            rows: At most :attr:`window_size`; paths of images are resolved.
        """

    def stream(self, windows: Iterable[Sequence[Cells]]) -> Iterator[list[Outcome]]:
        """Yield the results of each window, in order. A worker may ask for the next window before it yields one's.

        Args:
            windows: Readable rows, :attr:`window_size` of them at a time.
        """
        for rows in windows:
            yield self(rows) if rows else []

    @abstractmethod
    def close(self) -> None:
        """Say what there is to say at the end of all work, and remove what was made for it."""


class Job(ABC):
    """A worker to be: small enough to send to other machines, and loads nothing before :meth:`open`.

    Attributes:
        kind: Name of the job in manifests.
        doing: Name of the work in progress bars.
    """

    kind: ClassVar[str]
    doing: ClassVar[str] = "working"

    @abstractmethod
    def open(self) -> Worker:
        """Load.

        Raises:
            CLFAError: When something cannot be loaded.
        """
