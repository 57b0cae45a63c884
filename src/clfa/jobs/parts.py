"""Record of a job that any number of machines run, with pieces in any order."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.errors import DataError
from clfa.jobs.identity import Identity
from clfa.jobs.lines import failure_line, id_text, json_line, plain, record_line
from clfa.jobs.lock import OutputLock
from clfa.jobs.pieces import Piece
from clfa.jobs.plan import LOCK, PART, take_over, write_plan
from clfa.jobs.record import Part, Record, Result
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import StorageError, storage
from clfa.jobs.worker import ResultShape

_SUMMARY = b"clfa.shard"


class PartForm(ABC):
    """Row format of a part.

    Attributes:
        schema: Columns of a part.
    """

    schema: pa.Schema

    @abstractmethod
    def row(self, result: Result) -> Mapping[str, Any]:
        """Return a row of a part; absent columns are null."""

    @abstractmethod
    def failures(self, part: Path) -> Iterator[str]:
        """Yield the failures of a part as JSON lines."""

    def table(self, results: Sequence[Result]) -> pa.Table:
        """Return results as a table."""
        rows = [self.row(result) for result in results]
        arrays = [pa.array([row.get(entry.name) for row in rows], entry.type) for entry in self.schema]
        return pa.Table.from_arrays(arrays, schema=self.schema)


class FlatForm(PartForm):
    """Format of final results: source of the row, flat result, and error.

    Args:
        shape: Format of results.
    """

    def __init__(self, shape: ResultShape) -> None:
        self._shape = shape
        where = [pa.field("source", pa.string()), pa.field("row", pa.int64()), pa.field("id", pa.string())]
        why = [pa.field("error", pa.string()), pa.field("reason", pa.string())]
        self.schema = pa.schema([*where, *shape.schema, *why], metadata=shape.schema.metadata)

    def row(self, result: Result) -> Mapping[str, Any]:
        """See :class:`PartForm`."""
        outcome = result.outcome
        where = {"source": result.source, "row": result.row, "id": id_text(result.id)}
        return {**where, **self._shape.flatten(outcome.values), "error": plain(outcome.error), "reason": outcome.reason}

    def failures(self, part: Path) -> Iterator[str]:
        """See :class:`PartForm`."""
        for row in _rows(part, ["source", "row", "id", "reason", "error"]):
            if row["error"] is not None:
                message = row.pop("error")
                yield json_line({**row, "message": message})


class LineForm(PartForm):
    """Format of results to be joined into one file: JSON lines, as :class:`clfa.jobs.journal.Journal` writes them."""

    schema = pa.schema([pa.field("record", pa.string()), pa.field("failure", pa.string())])

    def row(self, result: Result) -> Mapping[str, Any]:
        """See :class:`PartForm`."""
        failed = result.outcome.error is not None
        return {"record": record_line(result), "failure": failure_line(result) if failed else None}

    def records(self, part: Path) -> Iterator[str]:
        """Yield the JSON lines of a part."""
        return (row["record"] for row in _rows(part, ["record"]))

    def failures(self, part: Path) -> Iterator[str]:
        """See :class:`PartForm`."""
        return (row["failure"] for row in _rows(part, ["failure"]) if row["failure"] is not None)


def _rows(part: Path, columns: list[str]) -> Iterator[dict[str, Any]]:
    with pq.ParquetFile(part, page_checksum_verification=True) as file:
        for batch in file.iter_batches(batch_size=1000, columns=columns):
            yield from batch.to_pylist()


class Parts(Record):
    """Record in a folder with ``part-NNNNNN.parquet`` for each finished piece, and ``_plan.json``.

    A part is written under a temporary name and renamed when it is complete, so that a file with the final name is
    complete. If a piece is processed twice (after a lost machine or beside a slow one), the second part is skipped or
    replaces an equal one, so that there is one part per piece. Parquet readers skip names that begin with ``.`` or
    ``_``.

    Args:
        folder: Folder that all machines access under this path, on storage with atomic renames; created if it does not
            exist.
        output: Output path, for messages.
        form: Row format.
    """

    any_order = True

    def __init__(self, folder: Path, output: Path, form: PartForm) -> None:
        self.folder, self.output, self.form = folder.absolute(), output, form
        self.summaries: dict[int, Summary] = {}
        self._resumed = 0
        self._lock: OutputLock | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Remote workers write parts only; the lock and the counts stay in the driver.
        return {**self.__dict__, "summaries": {}, "_lock": None}

    def file(self, piece: Piece) -> Path:
        """Return the file of a piece's results."""
        return self.folder / f"part-{piece.number:06d}.parquet"

    @property
    def total(self) -> Summary:
        """See :class:`Record`."""
        total = Summary()
        for _, summary in sorted(self.summaries.items()):
            total.add(summary)
        total.resumed = self._resumed
        return total

    @property
    def committed(self) -> int:
        """See :class:`Record`."""
        return sum(summary.rows for summary in self.summaries.values())

    @property
    def empty(self) -> bool:
        """See :class:`Record`; parts written by lost machines count."""
        return not any(PART.fullmatch(name) for name in os.listdir(self.folder))

    def begin(self, identity: Identity, restart: bool) -> None:
        """See :class:`Record`."""
        self._lock = OutputLock(self.folder / LOCK, self.output)
        try:
            if take_over(self.folder, identity, self.output, restart) is None:
                with storage(self.folder):
                    write_plan(self.folder, identity, {})
        except BaseException:
            self.close()
            raise

    def todo(self, pieces: Sequence[Piece]) -> list[Piece]:
        """See :class:`Record`."""
        present = set(os.listdir(self.folder))
        for piece in pieces:
            if self.file(piece).name in present:
                self.summaries[piece.number] = self._read_summary(piece, whole=True)
        self._resumed = self.committed
        return [piece for piece in pieces if piece.number not in self.summaries]

    def complete(self) -> None:
        """See :class:`Record`; the job is complete when all parts exist."""

    def note(self, piece: Piece, summary: Summary) -> None:
        """See :class:`Record`."""
        self.summaries[piece.number] = summary

    def summary(self, piece: Piece) -> Summary | None:
        """Return the summary of a finished piece, or ``None`` if the piece is unfinished.

        Raises:
            DataError: If the part is damaged or does not belong to this job.
        """
        return self._read_summary(piece) if self.file(piece).is_file() else None

    def _read_summary(self, piece: Piece, *, whole: bool = False) -> Summary:
        """Return the summary in a part; compare all pages of a ``whole`` one with their checksums."""
        part = self.file(piece)
        try:
            with pq.ParquetFile(part, page_checksum_verification=True) as file:
                metadata = file.metadata
                summary = Summary.from_dict(json.loads((metadata.metadata or {})[_SUMMARY]))
                if whole and not file.schema_arrow.equals(self.form.schema):
                    raise ValueError("it has other columns")
                rows = sum(batch.num_rows for batch in file.iter_batches(batch_size=1000)) if whole else summary.rows
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                # Of the system, not of the content: the part may be whole.
                raise StorageError(f"{part} cannot be read: {error}.") from error
            raise DataError(f"{part} is damaged or of another origin; delete it and run again. ({error})") from error
        if not metadata.num_rows == rows == summary.rows == piece.rows:
            raise DataError(f"{part} has {rows} rows instead of {piece.rows}; delete it and run again.")
        return summary

    @contextmanager
    def part(self, piece: Piece) -> Iterator[Part]:
        """See :class:`Record`.

        Raises:
            DataError: If the number of rows written differs from the number of rows of the piece.
        """
        final = self.file(piece)
        temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}.tmp")
        summary = Summary()
        try:
            with storage(self.folder):
                file = open(temporary, "wb")  # noqa: SIM115 - closed below
            with file, _writer(file, self.form.schema) as writer:
                yield _WholePart(0, summary, writer, self)
                if summary.rows != piece.rows:
                    raise DataError(
                        f"{piece.path}: {summary.rows} rows where {piece.rows} were counted; it changed meanwhile."
                    )
                with storage(self.folder):
                    writer.add_key_value_metadata({_SUMMARY.decode(): json.dumps(summary.to_dict())})
                    writer.close()
                    file.flush()
                    os.fsync(file.fileno())
            with storage(self.folder):
                os.replace(temporary, final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def failures(self, pieces: Sequence[Piece]) -> Iterator[str]:
        """See :class:`Record`."""
        for piece in pieces:
            yield from self.form.failures(self.file(piece))

    def close(self) -> None:
        """See :class:`Record`."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


@contextmanager
def _writer(file: Any, schema: pa.Schema) -> Iterator[Any]:
    """Yield a Parquet writer; an error of closing it does not hide the error of the block."""
    writer = pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True)
    try:
        yield writer
    finally:
        with contextlib.suppress(OSError):
            writer.close()


@dataclass
class _WholePart(Part):
    writer: Any = None
    parts: Any = None

    def commit(self) -> None:
        """Do nothing: a part is committed as a whole."""

    def write(self, results: Sequence[Result]) -> None:
        with storage(self.parts.folder):
            self.writer.write_table(self.parts.form.table(results))
