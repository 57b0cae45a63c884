"""Interfaces of jobs and workers, and the outcome of a row."""

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
    """Outcome of one row.

    Args:
        values: The result: the fields of a JSON record between ``id`` and ``error``.
        error: Error message if there is no result, else ``None``.
        reason: Short name of the kind of failure, for counting.
        labels: Predicted classes, for counting.
    """

    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    reason: str | None = None
    labels: Sequence[str] = ()


def _as_it_is(values: Mapping[str, Any]) -> Mapping[str, Any]:
    return values


@dataclass(frozen=True)
class ResultShape:
    """Format of results.

    Args:
        schema: Flat columns of a result, for CSV and Parquet; ``id`` and ``error`` are added.
        flatten: Converts the values of an outcome to flat columns; absent columns are null.
        json: Whether the values are JSON values. Other values (arrays) can be written to folders only.
    """

    schema: pa.Schema
    flatten: Callable[[Mapping[str, Any]], Mapping[str, Any]] = _as_it_is
    json: bool = True


class Worker(ABC):
    """Interface of workers: a loaded model that processes rows.

    Attributes:
        identity: Values that its results depend on (model, preprocessing, columns), as JSON values by name.
        shape: Format of its results.
        columns: Columns that it reads.
        window_size: Maximum number of rows per call.
        unreadable: Result values of a row that cannot be read.
    """

    identity: dict[str, Any]
    shape: ResultShape
    columns: WantedColumns
    window_size: int
    unreadable: Mapping[str, Any] = {}

    def busy(self) -> AbstractContextManager[None]:
        """Return a context for processing many windows; memory is kept allocated between windows."""
        return busy()

    @abstractmethod
    def __call__(self, rows: Sequence[Cells]) -> list[Outcome]:
        """Return the outcomes of readable rows, in order.

        Args:
            rows: At most :attr:`window_size` rows, with resolved image paths.
        """

    def stream(self, windows: Iterable[Sequence[Cells]]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of each window, in order. The next window may be read before the current one is yielded.

        Args:
            windows: Windows of at most :attr:`window_size` readable rows.
        """
        for rows in windows:
            yield self(rows) if rows else []

    @abstractmethod
    def close(self) -> None:
        """Log final warnings and remove temporary files."""


class Job(ABC):
    """Interface of jobs: a small object that can be sent to other machines and loads nothing before :meth:`open`.

    Attributes:
        kind: Name of the job in manifests.
        doing: Name of the work in progress bars.
    """

    kind: ClassVar[str]
    doing: ClassVar[str] = "working"

    @abstractmethod
    def open(self) -> Worker:
        """Load the model and return the worker.

        Raises:
            CLFAError: If something cannot be loaded.
        """
