"""What every kind of output provides."""

from __future__ import annotations

import glob
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from clfa.errors import Argument, DataError
from clfa.files import atomic_write, require_writable
from clfa.jobs.identity import Identity
from clfa.jobs.journal import Journal
from clfa.jobs.lines import id_text, plain
from clfa.jobs.parts import LineForm, Parts
from clfa.jobs.pieces import Piece
from clfa.jobs.record import Record
from clfa.jobs.trouble import storage
from clfa.jobs.worker import ResultShape

WORK = ".partial"


class Output(ABC):
    """Where results go in the end.

    Args:
        path: File or folder.
    """

    # Whether the output consists of a part for each shard, whoever writes it.
    of_parts: ClassVar[bool] = False
    # Whether a format that guards texts against spreadsheets writes them as they are.
    raw = False

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self) -> None:
        """Check that the output can be written, before anything is computed.

        Raises:
            DataError: When it cannot.
        """
        require_writable(self.path)

    @abstractmethod
    def record(self, shape: ResultShape, in_order: bool) -> Record:
        """Return the record of what is committed.

        Args:
            shape: Of the results.
            in_order: Whether one process writes all rows in order.
        """

    @abstractmethod
    def finish(self, record: Record, pieces: Sequence[Piece], facts: Mapping[str, Any]) -> None:
        """Make the output from what is committed, which is everything; whole or not at all.

        A kill at any moment leaves work that can be gone on with.

        Args:
            record: Of all pieces.
            pieces: All of them.
            facts: What to say of the job, as JSON values.
        """

    @abstractmethod
    def refuse_finished(self, identity: Identity, restart: bool) -> None:
        """Check that no finished output is in the way that cannot be replaced once the new one is whole.

        Args:
            identity: What the work to be done depends on.
            restart: Whether unfinished work is to be discarded.

        Raises:
            DataError: When one is.
        """


class FileOutput(Output):
    """One file with a row for each row of the input, in its order.

    Until it is whole, the work is in the folder ``FILE.partial``.
    """

    @property
    def work(self) -> Path:
        """The folder of the unfinished work."""
        return self.path.with_name(self.path.name + WORK)

    def check(self) -> None:
        """See :class:`Output`."""
        super().check()
        if self.path.is_dir():
            raise DataError(f"{self.path} is a folder; give the name of a file.")
        if self.work.exists() and not self.work.is_dir():
            raise DataError(f"{self.work} is in the way: it is no folder of unfinished work; delete or rename it.")

    def refuse_finished(self, identity: Identity, restart: bool) -> None:
        """See :class:`Output`; a file is replaced by the rename of its successor."""

    def record(self, shape: ResultShape, in_order: bool) -> Record:
        """See :class:`Output`."""
        if not shape.json:
            problem = f"{self.path}: arrays have no place in such a file; give a folder as "
            raise DataError(problem, Argument("output"), ".")
        self._shape = shape
        return Journal(self.work, self.path) if in_order else Parts(self.work, self.path, LineForm())

    def finish(self, record: Record, pieces: Sequence[Piece], facts: Mapping[str, Any]) -> None:
        """See :class:`Output`."""
        del facts
        with storage(self.path):
            if isinstance(record, Journal):
                self.write_journal(record)
            elif isinstance(record, Parts):
                self.write(_joined(record, pieces))
            record.discard()
        remove_temporary(self.path)

    def write_journal(self, journal: Journal) -> None:
        """Write the file from a journal."""
        with open(journal.lines, encoding="utf-8") as lines:
            self.write(lines)

    @abstractmethod
    def write(self, lines: Iterator[str]) -> None:
        """Write the file, atomically.

        Args:
            lines: JSON records, one a line.
        """

    @property
    def schema(self) -> pa.Schema:
        """Columns of the flat form: ``id``, those of the results, ``error``."""
        text = pa.string()
        return pa.schema([pa.field("id", text), *self._shape.schema, pa.field("error", text)])

    def flat(self, lines: Iterator[str]) -> Iterator[dict[str, Any]]:
        """Yield records in flat form; absent columns have no value."""
        for line in lines:
            record = json.loads(line)
            row_id, error = id_text(record.pop("id")), plain(record.pop("error", None))
            yield {"id": row_id, **self._shape.flatten(record), "error": error}


def _joined(parts: Parts, pieces: Sequence[Piece]) -> Iterator[str]:
    form = parts.form
    assert isinstance(form, LineForm)
    for piece in pieces:
        yield from form.records(parts.file(piece))


def write_failures(record: Record, pieces: Sequence[Piece], path: Path) -> None:
    """Write the list of failures, atomically.

    Args:
        record: Of all pieces.
        pieces: All of them.
        path: JSONL file.
    """
    with storage(path), atomic_write(path) as file:
        file.writelines(record.failures(pieces))
    remove_temporary(path)


def remove_temporary(path: Path) -> None:
    """Remove what a kill in the middle of an atomic write of ``path`` left."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        leftover.unlink(missing_ok=True)
