"""Record of a job that one process runs in row order."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from clfa.errors import Argument, DataError
from clfa.jobs.identity import Identity
from clfa.jobs.lines import failure_line, record_line
from clfa.jobs.lock import OutputLock
from clfa.jobs.pieces import Piece
from clfa.jobs.plan import FAILURES, LOCK, RECORDS, take_over, write_plan
from clfa.jobs.record import Part, Record, Result
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import storage


class Journal(Record):
    """Record in ``records.jsonl`` and ``failures.jsonl``; ``_plan.json`` holds the size of their committed content.

    Lines are appended first; then the plan is replaced atomically. If the process is killed, the next run truncates the
    files to the committed size, so that each row is written exactly once, in order. The plan has a checksum of the
    committed lines as well.

    Args:
        folder: Folder of these files; created if it does not exist.
        output: Output path, for messages.
    """

    any_order = False

    def __init__(self, folder: Path, output: Path) -> None:
        self.folder, self.output = folder, output
        self._finished = False
        self._committed = 0
        self._identity: Identity = {}
        self._lock: OutputLock | None = None
        self._files: dict[str, IO[bytes]] = {}
        self._sizes: dict[str, int] = {RECORDS: 0, FAILURES: 0}
        # Of all content that was written, committed or not.
        self._checksums: dict[str, int] = {RECORDS: 0, FAILURES: 0}
        # The current piece, and the number of its rows that were written.
        self._piece = self._rows = 0
        self._summary = Summary()

    @property
    def lines(self) -> Path:
        """File of the results so far, as JSON lines."""
        return self.folder / RECORDS

    @property
    def total(self) -> Summary:
        """See :class:`Record`."""
        return self._summary

    @property
    def finished(self) -> bool:
        """See :class:`Record`."""
        return self._finished

    @property
    def committed(self) -> int:
        """See :class:`Record`."""
        return self._committed

    def complete(self) -> None:
        """See :class:`Record`."""
        self.commit(finished=True)

    def begin(self, identity: Identity, restart: bool) -> None:
        """See :class:`Record`."""
        self._lock = OutputLock(self.folder / LOCK, self.output)
        try:
            plan = take_over(self.folder, identity, self.output, restart)
            self._identity = identity
            if plan is not None:
                self._sizes, self._finished = plan["bytes"], plan["finished"]
                self._piece, self._rows = plan["piece"], plan["rows"]
                self._summary = Summary.from_dict(plan["summary"])
                self._summary.resumed = self._committed = self._summary.rows
                self._check(plan.get("checksums", {}))
            for name, size in self._sizes.items():
                self._open(name, size)
        except BaseException:
            self.close()
            raise

    def _check(self, expected: Mapping[str, int]) -> None:
        """Compare the committed content with its checksums, which earlier versions did not write."""
        for name, size in self._sizes.items():
            path = self.folder / name
            if not path.exists() or path.stat().st_size < size:
                continue
            self._checksums[name] = _checksum(path, size)
            if self._checksums[name] != expected.get(name, self._checksums[name]):
                raise DataError(
                    f"cannot go on with {self.output}: {path} is damaged: it has another checksum than the plan beside "
                    "it says. To discard that work and begin anew, give ",
                    Argument("restart", True),
                    ".",
                )

    def _open(self, name: str, size: int) -> None:
        path = self.folder / name
        if self._finished:
            # The output is complete and may have been moved to its final place.
            return
        if (path.stat().st_size if path.exists() else 0) < size:
            raise DataError(
                f"cannot go on with {self.output}: {path} is shorter than the plan beside it says. To discard that "
                "work and begin anew, give ",
                Argument("restart", True),
                ".",
            )
        file = self._files[name] = open(path, "ab")  # noqa: SIM115 - closed by close()
        file.truncate(size)
        file.seek(0, os.SEEK_END)

    def todo(self, pieces: Sequence[Piece]) -> list[Piece]:
        """See :class:`Record`."""
        return [] if self._finished else list(pieces[self._piece :])

    @contextmanager
    def part(self, piece: Piece) -> Iterator[Part]:
        """See :class:`Record`."""
        if piece.number != self._piece:
            self._piece, self._rows = piece.number, 0
        yield _JournalPart(self._rows, self._summary, self)
        self._piece, self._rows = piece.number + 1, 0

    def note(self, piece: Piece, summary: Summary) -> None:
        """See :class:`Record`; the journal counts rows itself."""

    def append(self, results: Sequence[Result]) -> None:
        """Write results of the current piece."""
        with storage(self.folder):
            for result in results:
                self._append(RECORDS, record_line(result).encode())
                if result.outcome.error is not None:
                    self._append(FAILURES, failure_line(result).encode())
        self._rows += len(results)

    def _append(self, name: str, line: bytes) -> None:
        self._files[name].write(line)
        self._checksums[name] = zlib.crc32(line, self._checksums[name])

    def commit(self, finished: bool = False) -> None:
        """Commit all results written so far.

        Args:
            finished: Whether all rows are written.
        """
        if self._finished:
            return
        with storage(self.folder):
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())
            sizes = {name: file.tell() for name, file in self._files.items()}
            position = {"piece": self._piece, "rows": self._rows}
            content = {"bytes": sizes, "checksums": self._checksums}
            state = {"finished": finished, **position, **content, "summary": self._summary.to_dict()}
            write_plan(self.folder, self._identity, state)
        self._sizes, self._finished, self._committed = sizes, finished, self._summary.rows

    def failures(self, pieces: Sequence[Piece]) -> Iterator[str]:
        """See :class:`Record`."""
        del pieces
        with open(self.folder / FAILURES, encoding="utf-8") as file:
            yield from file

    def close(self) -> None:
        """See :class:`Record`."""
        for file in self._files.values():
            # A full disk fails again here; committed results were flushed before.
            with contextlib.suppress(OSError):
                file.close()
        self._files = {}
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _checksum(path: Path, size: int) -> int:
    """Return the checksum (CRC-32) of the first ``size`` bytes of a file."""
    value = 0
    with open(path, "rb") as file:
        while size > 0 and (content := file.read(min(size, 1 << 20))):
            value = zlib.crc32(content, value)
            size -= len(content)
    return value


class _JournalPart(Part):
    def __init__(self, rows: int, summary: Summary, journal: Journal) -> None:
        super().__init__(rows, summary)
        self._journal = journal

    def write(self, results: Sequence[Result]) -> None:
        self._journal.append(results)

    def commit(self) -> None:
        self._journal.commit()
