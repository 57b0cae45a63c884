"""Processing of the rows of a piece; used by all executors."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from clfa.errors import DataError
from clfa.jobs.pieces import Piece, piece_rows
from clfa.jobs.record import Part, Record, Result
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import storage
from clfa.jobs.worker import Outcome, Worker
from clfa.tables.cells import Cells, read_cells
from clfa.tables.gate import PictureGate, table_folders
from clfa.tables.id_forms import watch_ids
from clfa.tables.row import Row
from clfa.tables.rows import open_rows

# Results are committed after this number of rows or seconds, at the end of a window.
COMMIT_ROWS, COMMIT_SECONDS = 1000, 10.0


def process_piece(
    worker: Worker,
    piece: Piece,
    record: Record,
    *,
    image_root: str | None = None,
    strict: bool = False,
    commit_rows: int = COMMIT_ROWS,
    advance: Callable[[int], None] | None = None,
) -> Summary:
    """Process the unfinished rows of a piece.

    Args:
        worker: The worker.
        piece: The piece.
        record: Record to which results are written.
        image_root: Base folder of relative image paths; that of the run, or the folder of each table, by default.
        strict: Whether to raise an error at the first failed row.
        commit_rows: Number of rows after which results are committed, if the record commits within pieces.
        advance: Called with the number of newly finished rows.

    Returns:
        Counts of the piece or, for a record in row order, of all rows so far.

    Raises:
        DataError: If the file cannot be read, or a row failed and ``strict`` is set.
        StorageError: If reading or writing fails for reasons other than the content.
    """
    start = time.monotonic()
    with storage(piece.path, "read"):
        table = open_rows(piece.path, worker.columns.options)
    columns = worker.columns.find(table)
    root = columns.image_root or table.folder if image_root is None else image_root
    named = image_root is not None or not columns.image_root
    gate = PictureGate(root, worker.columns.access, table_folders(table.folder), named=named)
    needed = [name for name in (columns.id, columns.text, columns.image, columns.knowledge) if name is not None]
    with record.part(piece) as part:
        waiting: deque[list[tuple[Row, Cells]]] = deque()
        summary = part.summary

        def windows() -> Iterator[list[Cells]]:
            rows = _reading(piece, piece_rows(piece, table, part.rows, needed))
            rows = watch_ids(rows, columns.id, piece.source)
            while window := [(row, read_cells(row, columns, gate)) for row in islice(rows, worker.window_size)]:
                waiting.append(window)
                yield [cells for row, cells in window if row.error is None]

        committed, since = summary.rows, time.monotonic()
        for outcomes in worker.stream(windows()):
            rows = waiting.popleft()
            _write(part, piece, rows, outcomes, worker.unreadable, strict)
            summary.rows += len(rows)
            if summary.rows - committed >= commit_rows or time.monotonic() - since >= COMMIT_SECONDS:
                part.commit()
                committed, since = summary.rows, time.monotonic()
            if advance is not None:
                advance(len(rows))
    summary.seconds += time.monotonic() - start
    return summary


def _reading(piece: Piece, rows: Iterable[Row]) -> Iterator[Row]:
    with storage(piece.path, "read"):
        yield from rows


def _write(
    part: Part,
    piece: Piece,
    rows: Sequence[tuple[Row, Cells]],
    outcomes: Sequence[Outcome],
    unreadable: Mapping[str, Any],
    strict: bool,
) -> None:
    remaining = iter(outcomes)
    results = []
    for row, cells in rows:
        outcome = next(remaining) if row.error is None else Outcome(dict(unreadable), row.error, "unreadable row")
        if outcome.error is not None:
            if strict:
                name = piece.path if piece.alone else piece.source
                raise DataError(f"{name} row {row.number} (id {cells.id}): {outcome.error}")
            part.summary.fail(str(outcome.reason), f"{piece.at(row.number)} (id {cells.id}): {outcome.error}")
        part.summary.labels.update(outcome.labels)
        results.append(Result(piece.source, row.number, cells.id, outcome, piece.alone))
    part.write(results)
