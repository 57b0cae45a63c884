"""What is done to every shard, on this machine or on many."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

import pyarrow as pa

from clfa.cpu import busy
from clfa.errors import DataError
from clfa.jobs.output import MAX_EXAMPLES, OutputFolder, Summary
from clfa.progress import track
from clfa.tables.cells import read_id
from clfa.tables.rows import Row, open_rows
from clfa.tables.shards import ROWS_PER_SHARD, Shard, file_facts, list_files, plan_shards, shard_rows
from clfa.version import __version__

logger = logging.getLogger(__name__)

Engine = Literal["torch", "ray"]


@dataclass
class Outcome:
    """What became of one row.

    Args:
        values: By column of the worker's schema; absent ones are null.
        error: Why there is no result, or ``None``.
        reason: The kind of failure in two words, for counting.
        labels: Classes it counts for.
    """

    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    reason: str | None = None
    labels: Sequence[str] = ()


class Worker(ABC):
    """A loaded model at work on rows.

    Attributes:
        identity: JSON values that tell its results from other workers': weights, preprocessing.
        schema: Columns of its results; ``source``, ``row``, ``id`` and ``error`` are added to them.
        columns: Columns it reads, the id's among them.
        required: Those of them that the input must have, with the option that names each.
        identifier: Column of the id.
        batch_size: Rows it takes at a time.
    """

    identity: dict[str, Any]
    schema: pa.Schema
    columns: tuple[str, ...]
    required: dict[str, str]
    identifier: str
    batch_size: int

    @abstractmethod
    def __call__(self, rows: Sequence[Row], folder: Path) -> list[Outcome]:
        """Results of readable rows, in order.

        Args:
            rows: At most ``batch_size``.
            folder: What relative image paths are relative to.
        """


class Job(ABC):
    """A worker to be: small enough to send to other machines, and loads nothing before :meth:`open`."""

    kind: ClassVar[str]

    @abstractmethod
    def open(self) -> Worker:
        """Load.

        Raises:
            CLFAError: When something cannot be loaded.
        """


@dataclass(frozen=True)
class Cluster:
    """Where Ray runs and what a worker may use of it.

    Args:
        address: ``local`` (a cluster on this machine for this run), ``auto`` (the one this machine belongs to), or
            ``host:port`` of a head node.
        workers: Workers; as many as fit when not given.
        cpus: Processors a worker takes.
        gpus: GPUs a worker takes, parts included; one where the cluster has any when not given.
    """

    address: str = "local"
    workers: int | None = None
    cpus: float = 1.0
    gpus: float | None = None


@dataclass(frozen=True)
class JobResult:
    """What a run over all shards did.

    Args:
        total: Counts over all rows.
        shards: Number of shards.
        skipped: How many were done before.
        seconds: Time it took, the start of workers included and the driver's own loading not.
        lost: How often a shard was lost with its worker and given to another.
    """

    total: Summary
    shards: int
    skipped: int
    seconds: float
    lost: int = 0


def run_job(
    job: Job,
    source: str | Path,
    output: str | Path,
    *,
    engine: Engine = "ray",
    cluster: Cluster | None = None,
    rows_per_shard: int = ROWS_PER_SHARD,
    strict: bool = False,
) -> JobResult:
    """Carry a job out on every shard of a table that is not done yet.

    Each row is in the output exactly once however often the run was interrupted and whatever machine was lost: the list
    of shards is always the same, a shard is done whole or not at all, and doing it again changes nothing
    (:class:`clfa.jobs.output.OutputFolder`).

    Args:
        job: What to do.
        source: File, folder or pattern; see :func:`clfa.tables.shards.list_files`.
        output: Folder of results; of the same work unfinished to go on with it.
        engine: ``ray``, or ``torch`` for this process alone.
        cluster: For ``ray``.
        rows_per_shard: Rows aimed at; what is lost with a worker, and kept by a restart.
        strict: Make the first failing row an error.

    Raises:
        DataError: When the input or output cannot be used, or shards failed; those that did not fail are done, and the
            same command tries the others again.
        ModelError: When the model cannot be loaded.
        ClusterError: When Ray cannot do it.
    """
    files = list_files(source)
    folder = OutputFolder(output)
    if Path(source).is_dir() and folder.path.is_relative_to(Path(source).absolute()):
        raise DataError(f"the output {folder.path} lies in the input folder and would be read as input; move it.")
    shards = plan_shards(files, rows_per_shard)
    if engine == "ray":
        from clfa.jobs.cluster import require_ray

        require_ray()
    worker = job.open()
    require_columns(worker, shards[0])
    plan = {"kind": job.kind, **worker.identity, "rows_per_shard": rows_per_shard, "files": file_facts(files)}
    folder.begin(plan)
    done = folder.finished(shards)
    skipped, lost = len(done), 0
    remaining = [shard for shard in shards if shard.number not in done]
    failed: dict[int, str] = {}
    started = time.perf_counter()
    if skipped:
        logger.info("%d of %d shards were done before.", skipped, len(shards))
    with track(sum(shard.rows for shard in remaining), job.kind) as advance:

        def finish(shard: Shard, result: Summary | str) -> None:
            if isinstance(result, str):
                if strict:
                    raise DataError(result)
                failed[shard.number] = result
            else:
                done[shard.number] = result
            advance(shard.rows)

        if engine == "ray" and remaining:
            from clfa.jobs.cluster import run_on_cluster

            identity = worker.identity
            # This process only hands out work from here on.
            del worker
            lost = run_on_cluster(job, identity, remaining, folder, finish, cluster or Cluster(), strict)
        else:
            for shard in remaining:
                try:
                    result: Summary | str = process_shard(worker, shard, folder, strict)
                except DataError as error:
                    result = str(error)
                finish(shard, result)
    if failed:
        listed = "".join(f"\n  shard {number}: {why}" for number, why in sorted(failed.items())[:MAX_EXAMPLES])
        raise DataError(
            f"{len(failed)} of {len(shards)} shards failed; the others are done and kept in {folder.path}. The same "
            f"command tries the failed ones again.{listed}"
        )
    seconds = time.perf_counter() - started
    total = folder.complete(shards, done, {"clfa": __version__, "kind": job.kind})
    return JobResult(total, len(shards), skipped, seconds, lost)


def require_columns(worker: Worker, shard: Shard) -> None:
    """Check that a table has the columns a worker cannot do without.

    Raises:
        DataError: Naming the column, those present, and the option that names another.
    """
    present = set(open_rows(shard.path).columns)
    for name, option in worker.required.items():
        if present and name not in present:
            raise DataError(
                f"{shard.path} has no column {name!r}; it has {', '.join(sorted(present))}. Name it with {option}."
            )


def process_shard(worker: Worker, shard: Shard, folder: OutputFolder, strict: bool = False) -> Summary:
    """Do one shard, unless it is done.

    Args:
        worker: The model.
        shard: Which.
        folder: Where its part goes.
        strict: Make the first failing row an error.

    Raises:
        DataError: When the file cannot be read or, when strict, a row failed.
    """
    if (before := folder.summary(shard)) is not None:
        return before
    schema = result_schema(worker)
    summary = Summary()
    place = Path(shard.path).parent
    with busy(), folder.writing(shard, schema, summary) as write:
        for rows in _chunked(shard_rows(shard, worker.columns), worker.batch_size):
            results = iter(worker([row for row in rows if row.error is None], place))
            records = []
            for row in rows:
                unreadable = Outcome(error=row.error, reason="unreadable row")
                outcome = unreadable if row.error is not None else next(results)
                row_id = read_id(row.values.get(worker.identifier), row.number)
                if outcome.error is not None:
                    _count_failure(summary, shard, row, row_id, outcome, strict)
                summary.labels.update(outcome.labels)
                values = {"source": shard.source, "row": row.number, "id": row_id, **outcome.values}
                records.append({**values, "error": outcome.error and _plain(outcome.error)})
            summary.rows += len(rows)
            write(_table(records, schema))
    return summary


def _count_failure(summary: Summary, shard: Shard, row: Row, row_id: str, outcome: Outcome, strict: bool) -> None:
    said = f"{shard.source} row {row.number} (id {row_id}): {outcome.error}"
    if strict:
        raise DataError(said)
    summary.failures[str(outcome.reason)] += 1
    if len(summary.examples) < MAX_EXAMPLES:
        summary.examples.append(_plain(said))


def result_schema(worker: Worker) -> pa.Schema:
    """Columns of the parts: where the row came from, the worker's results, and the error."""
    where = [pa.field("source", pa.string()), pa.field("row", pa.int64()), pa.field("id", pa.string())]
    return pa.schema([*where, *worker.schema, pa.field("error", pa.string())], metadata=worker.schema.metadata)


def _table(records: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array([record.get(entry.name) for record in records], entry.type) for entry in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _plain(text: str) -> str:
    """Without what UTF-8 cannot hold: half an emoji."""
    return text.encode("utf-8", "replace").decode()


def _chunked(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


# Takes a shard and its counts, or why it failed.
Finish = Callable[[Shard, Summary | str], None]
