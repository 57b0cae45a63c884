"""The one loop that takes rows to results, on this machine or on many."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from clfa.errors import DataError
from clfa.jobs.lines import id_text
from clfa.jobs.pieces import Piece, piece_rows
from clfa.jobs.record import Part, Record, Result
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import storage
from clfa.jobs.worker import Outcome, Worker
from clfa.tables.rows import Row

# What a kill can cost: so many rows, or so many seconds of slower work, and the window in which they end.
COMMIT_ROWS, COMMIT_SECONDS = 1000, 10.0


def process_piece(
    worker: Worker,
    piece: Piece,
    record: Record,
    *,
    folder: Path,
    strict: bool = False,
    commit_rows: int = COMMIT_ROWS,
    advance: Callable[[int], None] | None = None,
) -> Summary:
    """Carry out what is left of a piece.

    Args:
        worker: The model.
        piece: Which rows.
        record: Where their results go.
        folder: What relative image paths are relative to.
        strict: Make the first failing row an error.
        commit_rows: Rows after which results are committed, where the record can.
        advance: Called with the number of rows just finished.

    Returns:
        Counts, of the piece or, where the record counts in order, of everything so far.

    Raises:
        DataError: When the file cannot be read or, when strict, a row failed.
        StorageError: When reading or writing fails for other reasons than the content.
    """
    with record.part(piece) as part:
        waiting: deque[list[Row]] = deque()
        summary = part.summary

        def windows() -> Iterator[list[Row]]:
            rows = _reading(piece, piece_rows(piece, part.rows, worker.columns))
            while window := list(islice(rows, worker.window_size)):
                waiting.append(window)
                yield [row for row in window if row.error is None]

        committed, since = summary.rows, time.monotonic()
        for outcomes in worker.stream(windows(), folder):
            rows = waiting.popleft()
            _write(part, piece, rows, outcomes, worker, strict)
            summary.rows += len(rows)
            if summary.rows - committed >= commit_rows or time.monotonic() - since >= COMMIT_SECONDS:
                part.commit()
                committed, since = summary.rows, time.monotonic()
            if advance is not None:
                advance(len(rows))
    return summary


def _reading(piece: Piece, rows: Iterable[Row]) -> Iterator[Row]:
    with storage(piece.path, "read"):
        yield from rows


def _write(part: Part, piece: Piece, rows: list[Row], outcomes: list[Outcome], worker: Worker, strict: bool) -> None:
    remaining = iter(outcomes)
    results = []
    for row in rows:
        if row.error is None:
            outcome = next(remaining)
        else:
            outcome = Outcome(dict(worker.unreadable), row.error, "unreadable row")
        row_id = row.values.get(worker.identifier, row.number)
        if outcome.error is not None:
            if strict:
                name = piece.path if piece.alone else piece.source
                raise DataError(f"{name} row {row.number} (id {row_id}): {outcome.error}")
            part.summary.fail(str(outcome.reason), f"{piece.at(row.number)} (id {id_text(row_id)}): {outcome.error}")
        part.summary.labels.update(outcome.labels)
        results.append(Result(piece.source, row.number, row_id, outcome, piece.alone))
    part.write(results)
