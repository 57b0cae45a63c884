"""What of a job is committed: the interface of its two kinds.

A record in order (:mod:`clfa.jobs.journal`) is written by one process, row after row. A record of parts
(:mod:`clfa.jobs.parts`) is written by any number of machines, piece after piece in any order. In both, what is
committed survives a kill at any moment, and nothing else counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar

from clfa.jobs.identity import Identity
from clfa.jobs.pieces import Piece
from clfa.jobs.summary import Summary
from clfa.jobs.worker import Outcome


@dataclass(frozen=True)
class Result:
    """One row's result with its place.

    Args:
        source: Name of the file.
        row: Number of the row in it, from 1.
        id: The row's id, or its number.
        outcome: What became of it.
        alone: Whether there is only one file, so that nobody needs its name.
    """

    source: str
    row: int
    id: str
    outcome: Outcome
    alone: bool = True


@dataclass
class Part(ABC):
    """The results of one piece while they are written.

    Args:
        rows: Rows of the piece that were committed before.
        summary: Counts, to be kept up to date by whoever writes.
    """

    rows: int = 0
    summary: Summary = field(default_factory=Summary)

    @abstractmethod
    def write(self, results: Sequence[Result]) -> None:
        """Append results; they are not committed by that."""

    @abstractmethod
    def commit(self) -> None:
        """Commit everything so far, where parts of a piece can be."""


class Record(ABC):
    """What of a job is committed.

    Attributes:
        any_order: Whether pieces may be done in any order, so that one that fails does not keep the others back.
    """

    any_order: ClassVar[bool]

    @abstractmethod
    def begin(self, identity: Identity, restart: bool) -> None:
        """Take over what an earlier run committed, or begin anew.

        Args:
            identity: What the work depends on.
            restart: Discard unfinished work.

        Raises:
            DataError: When another process is at it, what is there is of another identity, or it cannot be read.
        """

    @abstractmethod
    def todo(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the pieces that are not finished.

        Raises:
            DataError: When what is there is damaged.
        """

    @property
    def finished(self) -> bool:
        """Whether everything is committed, nothing but the output being left to make."""
        return False

    @property
    @abstractmethod
    def committed(self) -> int:
        """Rows that are committed."""

    @property
    def empty(self) -> bool:
        """Whether nothing is committed, so that there is nothing to keep."""
        return self.committed == 0

    @abstractmethod
    def complete(self) -> None:
        """Take notice that all pieces are finished."""

    @abstractmethod
    def part(self, piece: Piece) -> AbstractContextManager[Part]:
        """Return the place for a piece's results; it is finished when the block ends without an error."""

    @abstractmethod
    def note(self, piece: Piece, summary: Summary) -> None:
        """Take notice of a piece that was finished, wherever that was."""

    @property
    @abstractmethod
    def total(self) -> Summary:
        """Counts over everything so far."""

    @abstractmethod
    def failures(self, pieces: Sequence[Piece]) -> Iterator[str]:
        """Yield a JSON line for each row that failed, in order."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and locks; what is committed stays."""

    @abstractmethod
    def discard(self) -> None:
        """Remove what belongs to unfinished work."""
