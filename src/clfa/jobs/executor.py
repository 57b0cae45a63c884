"""Where the pieces of a job are carried out: the interface, and this process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.errors import DataError
from clfa.jobs.pieces import Piece
from clfa.jobs.process import COMMIT_ROWS, process_piece
from clfa.jobs.record import Record
from clfa.jobs.summary import Summary
from clfa.jobs.worker import Job, Worker

# Takes a piece and its counts, or why it failed.
Finish = Callable[[Piece, Summary | str], None]


def _unset(*arguments: object) -> None:
    """Nobody wants to know."""


@dataclass
class Task:
    """What an executor is given.

    Args:
        job: What to do.
        identity: Of the job's worker, as this process sees it.
        pieces: What is left to do.
        record: Where results go.
        image_root: What relative image paths are relative to; the folder of each table when not given.
        strict: Make the first failing row an error.
        finish: Called with each piece and its counts, or why it failed.
        advance: Called with the number of rows just finished.
        lost: How often a piece was lost with its worker, for the executor to count.
    """

    job: Job
    identity: dict[str, Any]
    pieces: Sequence[Piece]
    record: Record
    image_root: Path | None = None
    strict: bool = False
    finish: Finish = _unset
    advance: Callable[[int], None] = _unset
    lost: int = 0


class Executor(ABC):
    """Carries out pieces.

    Attributes:
        here: Whether this process does it, one row after the other.
    """

    here: bool

    @abstractmethod
    def check(self) -> None:
        """Check that it can be used, before anything is loaded.

        Raises:
            CLFAError: When it cannot.
        """

    @abstractmethod
    def run(self, task: Task, workers: Sequence[Worker]) -> None:
        """Carry out all pieces.

        Args:
            task: What to do.
            workers: The job's worker in this process, if it is :attr:`here`.

        Raises:
            CLFAError: When it cannot go on. What is committed stays.
        """


@dataclass(frozen=True)
class ThisProcess(Executor):
    """Carries out pieces in this process, in order.

    Args:
        commit_rows: Rows after which results are committed.
    """

    commit_rows: int = COMMIT_ROWS
    here = True

    def check(self) -> None:
        """See :class:`Executor`; this process is there."""

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
