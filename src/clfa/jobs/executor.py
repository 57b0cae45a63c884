"""Executors, which process the pieces of a job: the interface, and execution in this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clfa.errors import DataError
from clfa.jobs.pieces import Piece
from clfa.jobs.process import COMMIT_ROWS, process_piece
from clfa.jobs.record import Record
from clfa.jobs.summary import Summary
from clfa.jobs.worker import Job, Worker

# Called with a piece and its counts, or the reason of its failure.
Finish = Callable[[Piece, Summary | str], None]


def _unset(*arguments: object) -> None:
    """Ignore the call."""


@dataclass
class Task:
    """Input of an executor.

    Args:
        job: The job.
        identity: Identity of the job's worker in this process.
        pieces: Unfinished pieces.
        record: Record to which results are written.
        image_root: Base folder of relative image paths; the folder of each table by default.
        strict: Whether to raise an error at the first failed row.
        finish: Called with each piece and its counts, or the reason of its failure.
        advance: Called with the number of newly finished rows.
        lost: Number of times a piece was lost with its worker; counted by the executor.
    """

    job: Job
    identity: dict[str, Any]
    pieces: Sequence[Piece]
    record: Record
    image_root: str | None = None
    strict: bool = False
    finish: Finish = _unset
    advance: Callable[[int], None] = _unset
    lost: int = 0


class Executor(ABC):
    """Interface of executors.

    Attributes:
        here: Whether pieces are processed in this process, in row order.
    """

    here: bool

    @abstractmethod
    def check(self) -> None:
        """Check that the executor is available, before anything is loaded.

        Raises:
            CLFAError: If it is not.
        """

    @abstractmethod
    def run(self, task: Task, workers: Sequence[Worker]) -> None:
        """Process all pieces.

        Args:
            task: The task.
            workers: The job's worker in this process if :attr:`here` is true, else empty.

        Raises:
            CLFAError: If processing cannot continue. Committed results are kept.
        """


@dataclass(frozen=True)
class ThisProcess(Executor):
    """Process pieces in this process, in order.

    Args:
        commit_rows: Number of rows after which results are committed.
    """

    commit_rows: int = COMMIT_ROWS
    here = True

    def check(self) -> None:
        """See :class:`Executor`; this process is always available."""

    def run(self, task: Task, workers: Sequence[Worker]) -> None:
        """See :class:`Executor`."""
        (worker,) = workers
        with worker.busy():
            for piece in task.pieces:
                try:
                    result: Summary | str = process_piece(
                        worker,
                        piece,
                        task.record,
                        image_root=task.image_root,
                        strict=task.strict,
                        commit_rows=self.commit_rows,
                        advance=task.advance,
                    )
                except DataError as error:
                    if task.strict or not task.record.any_order:
                        raise
                    result = str(error)
                task.finish(piece, result)
