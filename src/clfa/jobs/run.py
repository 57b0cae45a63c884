"""Run of a job on a table: checks, execution, output."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from clfa.errors import DataError
from clfa.files import require_apart, require_writable
from clfa.jobs.executor import Executor, Task, ThisProcess
from clfa.jobs.identity import SHARDS, file_facts, make_identity
from clfa.jobs.outputs import open_output
from clfa.jobs.outputs.base import write_failures
from clfa.jobs.pieces import ROWS_PER_SHARD, Piece, input_files, piece_length, shards, whole_files
from clfa.jobs.summary import MAX_EXAMPLES, Summary
from clfa.jobs.trouble import ClusterError, StorageError
from clfa.jobs.worker import Job, Worker
from clfa.progress import bars, track
from clfa.tables.paths import absolute_root
from clfa.tables.rows import open_rows
from clfa.version import __version__


def run_job(
    job: Job,
    source: str | Path,
    output: str | Path,
    *,
    executor: Executor | None = None,
    output_kind: str | None = None,
    shard_rows: int = ROWS_PER_SHARD,
    image_root: str | Path | None = None,
    failures: str | Path | None = None,
    strict: bool = False,
    restart: bool = False,
    raw: bool = False,
) -> Summary:
    """Run a job on all unfinished rows of a table.

    The output contains each row exactly once, even after interruptions and lost machines. If the job is killed,
    interrupted or stopped by an error, finished work is kept and the same call resumes it. The output appears when it
    is complete.

    Args:
        job: The job.
        source: File, folder or glob pattern.
        output: File or folder to write; see :data:`clfa.jobs.outputs.OUTPUTS`.
        executor: Executor of the job; this process by default.
        output_kind: Name of the output format; chosen by the suffix of ``output`` by default.
        shard_rows: Number of rows per shard, for output folders and on a cluster.
        image_root: Base folder of relative image paths; the folder of each table by default.
        failures: JSONL file to write failed rows to: ``row``, ``id``, ``reason`` and ``message``; also ``source`` for
            several files and for folders.
        strict: Whether to raise an error at the first failed row.
        restart: Whether to discard unfinished work.
        raw: Whether to write texts into a CSV file as they are (:mod:`clfa.sheets`).

    Returns:
        Counts over all rows.

    Raises:
        DataError: If the input or output cannot be used, unfinished work has another input, model or columns, or
            pieces failed.
        StorageError: If reading or writing fails during the job.
        ModelError: If the model cannot be loaded.
        ClusterError: If the cluster is unavailable, too small, or lost.
    """
    executor = executor or ThisProcess()
    target = open_output(output, output_kind)
    target.raw = raw
    files = input_files(source, target.path)
    require_apart([target.path, failures], files)
    target.check()
    if failures is not None:
        require_writable(failures, file=True)
    executor.check()
    worker = job.open()
    in_order = executor.here and not target.of_parts
    pieces = whole_files(files) if in_order else shards(files, shard_rows, worker.columns.options)
    # Report missing columns before any work is created.
    worker.columns.find(open_rows(files[0], worker.columns.options))
    root = None if image_root is None else absolute_root(str(image_root))
    identity = make_identity(
        **{
            "the kind of work": job.kind,
            "the input": file_facts(files),
            **worker.identity,
            "the image root": root,
            SHARDS: None if in_order else shard_rows,
        }
    )
    target.refuse_finished(identity, restart)
    record = target.record(worker.shape, in_order)
    record.begin(identity, restart)
    start = time.monotonic()
    try:
        todo = record.todo(pieces)
        task = Task(job, worker.identity, todo, record, root, strict)
        # On a cluster this process only distributes work from here on: release the model.
        held = [worker] if executor.here else []
        del worker
        if not record.finished:
            _carry_out(task, executor, held, len(pieces))
            record.complete()
        if failures is not None:
            write_failures(record, pieces, Path(failures))
        summary = replace(record.total, lost=task.lost, seconds=time.monotonic() - start)
        target.finish(record, pieces, {"clfa": __version__, "kind": job.kind, "seconds": round(summary.seconds, 3)})
        for each in held:
            each.close()
    except BaseException as error:
        if record.empty:
            record.discard()
        elif record.committed and isinstance(error, DataError | StorageError | ClusterError):
            kept = f" {record.committed:,} finished rows are kept; once it is mended, the same call goes on from there."
            raise type(error)(*error.args, kept) from error
        raise
    finally:
        record.close()
    return summary


def _carry_out(task: Task, executor: Executor, held: list[Worker], pieces: int) -> None:
    failed: dict[int, str] = {}
    lengths = [piece_length(piece) for piece in task.pieces] if bars() else [None]
    done = task.record.total.rows
    total = None if None in lengths else done + sum(length or 0 for length in lengths)
    with track(total, task.job.doing, unit="rows", done=done) as advance:

        def finish(piece: Piece, result: Summary | str) -> None:
            if isinstance(result, str):
                if task.strict:
                    raise DataError(result)
                failed[piece.number] = result
            else:
                task.record.note(piece, result)

        task.finish, task.advance = finish, advance
        if task.pieces:
            executor.run(task, held)
    if failed:
        listed = "".join(f"\n  shard {number}: {why}" for number, why in sorted(failed.items())[:MAX_EXAMPLES])
        raise DataError(f"{len(failed)} of {pieces} shards failed; the others are done.{listed}\n")
