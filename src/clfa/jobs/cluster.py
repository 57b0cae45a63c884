"""Shards on a Ray cluster: Ray Data hands them to workers that load the model once.

Why exactly once: where machines may be lost, a scheduler can run a task *at least* once and no better. Here a task is
one shard, its result a file under a name that only the shard decides, renamed into place when whole
(:class:`clfa.jobs.parts.Parts`). Doing a shard twice therefore gives what doing it once gives, and at least
once becomes exactly once. Nothing but names of shards and counts passes through Ray: its object store stays empty, and
no lineage has to be kept for a run of days.

Why rounds: left to itself, Ray Data's actor pool repeats the work of a lost worker without end, so that one row that
kills its worker keeps a run alive for ever with nothing written (``benchmarks/ray_data.py``). So a shard that is lost
with its worker counts as an error that Ray Data passes over (``max_task_retries=0``, ``max_errored_blocks``), and
what is missing at the end of a round is done in the next, by whoever is there, a few times at most.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.errors import Argument, DataError, ModelError
from clfa.jobs.cluster_options import ClusterOptions
from clfa.jobs.executor import Executor, Finish, Task
from clfa.jobs.parts import Parts
from clfa.jobs.pieces import Piece
from clfa.jobs.process import process_piece
from clfa.jobs.summary import Summary
from clfa.jobs.trouble import ClusterError
from clfa.jobs.worker import Job, Worker

logger = logging.getLogger(__name__)

# A shard that was lost, or failed for other reasons than its data, so many times is given up.
MAX_ATTEMPTS = 4
# Seconds without room for one worker after which a run ends; a cluster that grows may need minutes for a machine.
PATIENCE_S = 900.0
# Shards that may be lost in one round before a run ends: for each worker, and besides. Beyond, it is not machines that
# fail but whatever all workers do, such as loading a model that does not fit.
MOST_LOST_PER_WORKER, MOST_LOST = 10, 100
# Nothing is put into it; 78 MB is the least that Ray takes.
_OBJECT_STORE_BYTES = 100_000_000
# Ray Data sets memory aside for each result; ours are a line of counts.
_LARGEST_RESULT_BYTES = 1_000_000
# What a worker must know before it imports anything.
_ENVIRONMENT = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def require_ray() -> Any:
    """The ``ray`` module.

    Raises:
        ClusterError: When it is not installed.
    """
    # No report of its use to its makers, unless somebody asked for it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise ClusterError(
            Argument("engine", "ray"),
            " needs Ray, on every machine: pip install 'clfa[ray]'. Without it, ",
            Argument("engine", "torch"),
            " does the same in one process.",
        ) from error
    return ray


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The ``ray`` module connected to a cluster; what was started or connected here is left at the end.

    Args:
        address: See :class:`RayCluster`.

    Raises:
        ClusterError: When there is no such cluster.
    """
    ray = require_ray()
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.WARNING}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise ClusterError(
            f"no Ray cluster at {address!r}: {str(error).strip()} Start one with `ray start --head`, join other "
            "machines with `ray start --address=HEAD:6379`, or leave out ",
            Argument("address"),
            " to use this machine alone.",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class WorkerReport:
    """What a worker says of a piece.

    Args:
        number: The piece's.
        state: ``done``; ``failed`` for good, as its data is at fault; ``troubled``, which another attempt may mend;
            ``helpless``, as the worker could not load the model.
        content: The counts as JSON, or why not.
    """

    number: int
    state: str
    content: str


class PieceWorker:
    """What Ray Data keeps alive: a worker opened once, then one piece after the other.

    Args:
        job: Pickled with Ray's pickler, so that ``environment`` is set before its modules are imported.
        identity: Of the model as the driver sees it.
        record: Where parts go.
        image_root: What relative image paths are relative to; the folder of each table when not given.
        strict: Make the first failing row an error.
        environment: Variables to set.
        directory: The driver's working directory, where relative paths start if this machine has it.
    """

    def __init__(
        self,
        job: bytes,
        identity: dict[str, Any],
        record: Parts,
        image_root: Path | None,
        strict: bool,
        environment: dict[str, str],
        directory: str,
    ) -> None:
        os.environ.update(environment)
        if os.path.isdir(directory):
            os.chdir(directory)
        self._job, self._identity, self._record = job, identity, record
        self._image_root, self._strict = image_root, strict
        self._worker: Worker | None = None
        self._busy = ExitStack()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do one piece.

        Args:
            batch: A column ``piece`` of one row: a :class:`clfa.jobs.pieces.Piece` as JSON.

        Returns:
            Columns of one row, the fields of a :class:`WorkerReport`.
        """
        report = self.report(Piece.from_json(batch["piece"][0]))
        return {name: [value] for name, value in dataclasses.asdict(report).items()}

    def report(self, piece: Piece) -> WorkerReport:
        """Do a piece, unless it is done. No error leaves, as Ray Data would pass over it."""
        try:
            if self._worker is None:
                self._worker = self._open()
        except Exception as error:
            return WorkerReport(piece.number, "helpless", str(error))
        try:
            summary = self._record.summary(piece)
            if summary is None:
                summary = process_piece(
                    self._worker, piece, self._record, image_root=self._image_root, strict=self._strict
                )
        except DataError as error:
            return WorkerReport(piece.number, "failed", str(error))
        except Exception as error:
            # Whatever state it is in, the next piece finds a fresh one.
            self._worker = None
            self._busy.close()
            return WorkerReport(piece.number, "troubled", f"{type(error).__name__}: {error}")
        return WorkerReport(piece.number, "done", json.dumps(summary.to_dict()))

    def _open(self) -> Worker:
        from ray import cloudpickle

        job: Job = cloudpickle.loads(self._job)
        worker = job.open()
        if worker.identity != self._identity:
            raise ModelError(
                "a worker's machine has another model, or other packages, than the driver's: "
                f"{worker.identity} instead of {self._identity}."
            )
        self._busy.enter_context(worker.busy())
        return worker


@dataclass(frozen=True)
class RayCluster(Executor):
    """Carries out pieces on a Ray cluster.

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
    here = False

    @classmethod
    def of(cls, options: ClusterOptions) -> RayCluster:
        """Return the cluster that options describe."""
        cpus = cls.cpus if options.worker_cpus is None else options.worker_cpus
        return cls(options.address or cls.address, options.workers, cpus, options.worker_gpus)

    def check(self) -> None:
        """See :class:`clfa.jobs.executor.Executor`.

        Raises:
            ClusterError: When Ray is not installed.
        """
        require_ray()

    def run(self, task: Task, workers: Sequence[Worker]) -> None:
        """See :class:`clfa.jobs.executor.Executor`.

        Raises:
            ClusterError: When no node has room for a worker, a worker could not load the model, or too many were lost.
        """
        del workers
        with connected(self.address) as ray:
            gpus = self.gpus
            if gpus is None:
                gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
            if self.address == "local" and not _fitting(ray, self.cpus, gpus):
                raise ClusterError(f"this machine has no room for a worker with {self.cpus:g} CPUs and {gpus:g} GPUs.")
            environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
            job = ray.cloudpickle.dumps(task.job)
            arguments = (job, task.identity, task.record, task.image_root, task.strict, environment, os.getcwd())
            resources = {"num_cpus": self.cpus, "num_gpus": gpus}

            def attempt(missing: Sequence[Piece]) -> Iterator[WorkerReport]:
                fitting = _wait_for_room(lambda: _fitting(ray, self.cpus, gpus))
                return _round(ray, missing, arguments, min(self.workers or fitting, len(missing)), resources)

            def finish(piece: Piece, result: Summary | str) -> None:
                task.finish(piece, result)
                task.advance(piece.rows or 0)

            task.lost = in_rounds(task.pieces, attempt, finish)


def in_rounds(
    pieces: Sequence[Piece], attempt: Callable[[Sequence[Piece]], Iterable[WorkerReport]], finish: Finish
) -> int:
    """Attempt pieces until each is done, has failed, or is given up.

    Args:
        pieces: Which.
        attempt: Does pieces; of those that were lost with their worker there is no report.
        finish: Called with each piece and its counts, or why it failed.

    Returns:
        How often a piece was lost with its worker.

    Raises:
        ClusterError: When a worker could not load the model.
    """
    missing = {piece.number: piece for piece in pieces}
    lost = 0
    for _ in range(MAX_ATTEMPTS):
        troubles: dict[int, str] = {}
        for report in attempt(list(missing.values())):
            if report.state == "helpless":
                raise ClusterError(f"a worker cannot load the model: {report.content}")
            if report.state == "troubled":
                troubles[report.number] = report.content
                continue
            piece = missing.pop(report.number)
            finish(piece, Summary.from_dict(json.loads(report.content)) if report.state == "done" else report.content)
        if not missing:
            break
        lost += len(missing) - len(troubles)
        logger.warning("%d shards were lost with their worker or failed.", len(missing))
    for number, piece in missing.items():
        why = troubles.get(number, "its worker was lost")
        finish(piece, f"{piece.path}: given up after {MAX_ATTEMPTS} attempts; the last: {why}")
    return lost


def _round(
    ray: Any, pieces: Sequence[Piece], arguments: tuple[Any, ...], workers: int, resources: dict[str, Any]
) -> Iterator[WorkerReport]:
    """Reports of the shards that were not lost, as they come.

    Raises:
        ClusterError: When too many were lost.
    """
    import ray.data as ray_data

    context = ray_data.DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = MOST_LOST + MOST_LOST_PER_WORKER * workers
    context.target_max_block_size = _LARGEST_RESULT_BYTES
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    with ray_data.DataContext.current(context):
        items = [{"piece": piece.to_json()} for piece in pieces]
        data = ray_data.from_items(items, override_num_blocks=len(items))
        done = data.map_batches(
            PieceWorker,
            fn_constructor_args=arguments,
            batch_size=1,
            # One shard with each worker: what else waited there would be lost with it.
            compute=ray_data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
            max_restarts=-1,
            max_task_retries=0,
            **resources,
        )
        try:
            for row in done.iter_rows():
                yield WorkerReport(**row)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"more than {context.max_errored_blocks} shards were lost with their workers; the last: "
                f"{str(error).strip().partition(chr(10))[0]}"
            ) from error


def _wait_for_room(fitting: Callable[[], int]) -> int:
    """Workers that fit, at least one.

    Raises:
        ClusterError: When there is room for none for too long.
    """
    end = time.monotonic() + PATIENCE_S
    while not (count := fitting()):
        if time.monotonic() > end:
            raise ClusterError(
                f"no worker could be started for {PATIENCE_S:.0f} s: the cluster has no node with room for one."
            )
        time.sleep(1.0)
    return count


def _fitting(ray: Any, cpus: float, gpus: float) -> int:
    """Workers that fit the nodes as they are."""
    count = 0
    for node in ray.nodes():
        if node["Alive"]:
            free = node["Resources"]
            rooms = [free.get(name, 0) // need for name, need in (("CPU", cpus), ("GPU", gpus)) if need]
            count += int(min(rooms)) if rooms else 1
    return count
