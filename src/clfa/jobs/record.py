"""Interface of records, which hold the committed results of a job.

A journal (:mod:`clfa.jobs.journal`) is written by one process in row order. A record of parts
(:mod:`clfa.jobs.parts`) is written by any number of machines, with pieces in any order. In both, committed results are
kept if the process is killed at any time; other results are discarded.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from clfa.jobs.identity import Identity
from clfa.jobs.pieces import Piece
from clfa.jobs.plan import LOCK, remove_work
from clfa.jobs.summary import Summary
from clfa.jobs.worker import Outcome


@dataclass(frozen=True)
class Result:
    """Result of one row, with its position.

    Args:
        source: Name of the file.
        row: Number of the row in the file, from 1.
        id: Id of the row, or its number.
        outcome: Outcome of the row.
        alone: Whether there is only one file; its name is then omitted.
    """

    source: str
    row: int
    id: str
    outcome: Outcome
    alone: bool = True


@dataclass
class Part(ABC):
    """Results of one piece during writing.

    Args:
        rows: Number of rows of the piece that were committed before.
        summary: Counts; updated by the writer.
    """

    rows: int = 0
    summary: Summary = field(default_factory=Summary)

    @abstractmethod
    def write(self, results: Sequence[Result]) -> None:
        """Append results, without committing them."""

    @abstractmethod
    def commit(self) -> None:
        """Commit all results so far, if the record commits within pieces."""


class Record(ABC):
    """Committed results of a job.

    Attributes:
        folder: Folder of the files.
        any_order: Whether pieces may be processed in any order, so that a failed piece does not stop the others.
    """

    folder: Path
    any_order: ClassVar[bool]

    @abstractmethod
    def begin(self, identity: Identity, restart: bool) -> None:
        """Resume the committed work of an earlier run, or begin new work.

        Args:
            identity: Identity of the job.
            restart: Whether to discard unfinished work.

        Raises:
            DataError: If another process writes the output, or existing work has another identity or cannot be read.
        """

    @abstractmethod
    def todo(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the unfinished pieces.

        Raises:
            DataError: If existing work is damaged.
        """

    @property
    def finished(self) -> bool:
        """Whether all results are committed and only the output remains to be made."""
        return False

    @property
    @abstractmethod
    def committed(self) -> int:
        """Number of committed rows."""

    @property
    def empty(self) -> bool:
        """Whether nothing is committed."""
        return self.committed == 0

    @abstractmethod
    def complete(self) -> None:
        """Record that all pieces are finished."""

    @abstractmethod
    def part(self, piece: Piece) -> AbstractContextManager[Part]:
        """Return a context that yields a :class:`Part`; the piece is finished if the block ends without an error."""

    @abstractmethod
    def note(self, piece: Piece, summary: Summary) -> None:
        """Record that a piece was finished, in this process or another."""

    @property
    @abstractmethod
    def total(self) -> Summary:
        """Counts of all results so far."""

    @abstractmethod
    def failures(self, pieces: Sequence[Piece]) -> Iterator[str]:
        """Yield a JSON line for each failed row, in order."""

    @abstractmethod
    def close(self) -> None:
        """Release files and locks; committed results are kept."""

    def discard(self) -> None:
        """Remove the files of unfinished work, and their folder if nothing else is in it."""
        remove_work(self.folder)
        (self.folder / LOCK).unlink(missing_ok=True)
        self.close()
        with contextlib.suppress(OSError):
            self.folder.rmdir()
