"""Executor on a Ray cluster: Ray Data distributes shards to workers that load the model once.

Exactly once: if machines may be lost, a scheduler can guarantee only that a task runs *at least* once. Here a task is
one shard, and its result is a file whose name depends on the shard only, renamed when it is complete
(:class:`clfa.jobs.parts.Parts`). Processing a shard twice gives the same result as processing it once. Only shards and
counts pass through Ray: its object store stays empty, and long runs need no lineage.

Rounds: by default, the actor pool of Ray Data retries the tasks of a lost worker without limit, so that one row that
kills its worker blocks a run forever (``benchmarks/ray_data.py``). Therefore a shard that is lost with its worker
counts as an error that Ray Data ignores (``max_task_retries=0``, ``max_errored_blocks``), and shards without a result
are processed again in the next round, at most ``MAX_ATTEMPTS`` times in all.
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

# Maximum number of attempts at a shard that is lost or fails for reasons other than its data.
MAX_ATTEMPTS = 4
# Seconds to wait for resources for one worker; an autoscaling cluster may need minutes to add a machine.
PATIENCE_S = 900.0
# Maximum number of shards lost in one round: per worker, and in addition. More losses indicate a fault common to all
# workers, such as a model that does not fit into memory.
MOST_LOST_PER_WORKER, MOST_LOST = 10, 100
# The object store is not used; Ray requires at least 78 MB.
_OBJECT_STORE_BYTES = 100_000_000
# Ray Data reserves memory for each result; a result is one line of counts.
_LARGEST_RESULT_BYTES = 1_000_000
_ENVIRONMENT = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def worker_environment() -> dict[str, str]:
    """Return the environment variables that a worker needs before its first import."""
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def require_ray() -> Any:
    """Return the ``ray`` module.

    Raises:
        ClusterError: If it is not installed.
    """
    # Disable Ray's usage statistics unless they were enabled explicitly.
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
    """Yield the ``ray`` module, connected to a cluster; a connection made here is closed at the end.

    Args:
        address: See :class:`RayCluster`.

    Raises:
        ClusterError: If there is no such cluster.
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
    """Report of a worker on a piece.

    Args:
        number: Number of the piece.
        state: ``done``; ``failed`` (permanent: a data error); ``troubled`` (another attempt may succeed); or
            ``helpless`` (the worker could not load the model).
        content: The counts as JSON, or the error message.
    """

    number: int
    state: str
    content: str


class PieceWorker:
    """Actor of Ray Data: opens the job's worker once, then processes one piece per call.

    Args:
        job: The job, pickled by Ray; unpickling imports its modules after ``environment`` is set.
        identity: Identity of the driver's worker.
        record: Record to which parts are written.
        image_root: Base folder of relative image paths; the folder of each table by default.
        strict: Whether to raise an error at the first failed row.
        environment: Environment variables to set.
        directory: Working directory of the driver; used here too if it exists on this machine.
    """

    def __init__(
        self,
        job: bytes,
        identity: dict[str, Any],
        record: Parts,
        image_root: str | None,
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
        """Process one piece.

        Args:
            batch: A column ``piece`` of one row: a :class:`clfa.jobs.pieces.Piece` as JSON.

        Returns:
            Columns of one row, the fields of a :class:`WorkerReport`.
        """
        report = self.report(Piece.from_json(batch["piece"][0]))
        return {name: [value] for name, value in dataclasses.asdict(report).items()}

    def report(self, piece: Piece) -> WorkerReport:
        """Process a piece unless it is finished. Errors are returned, because Ray Data would ignore raised ones."""
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
            # The worker may be in an undefined state: open a new one for the next piece.
            self._worker = None
            self._busy.close()
            return WorkerReport(piece.number, "troubled", f"{type(error).__name__}: {error}")
        return WorkerReport(piece.number, "done", json.dumps({**summary.to_dict(), "seconds": summary.seconds}))

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
    """Process pieces on a Ray cluster.

    Args:
        address: ``local`` (a cluster on this machine for this run), ``auto`` (the cluster of this machine), or
            ``host:port`` of a head node.
        workers: Number of workers; by default, as many as the cluster has resources for.
        cpus: Number of CPUs per worker.
        gpus: Number of GPUs per worker, which may be a fraction; by default 1 if the cluster has GPUs, else 0.
    """

    address: str = "local"
    workers: int | None = None
    cpus: float = 1.0
    gpus: float | None = None
    here = False

    @classmethod
    def of(cls, options: ClusterOptions) -> RayCluster:
        """Return an executor with the given options."""
        cpus = cls.cpus if options.worker_cpus is None else options.worker_cpus
        return cls(options.address or cls.address, options.workers, cpus, options.worker_gpus)

    def check(self) -> None:
        """See :class:`clfa.jobs.executor.Executor`.

        Raises:
            ClusterError: If Ray is not installed.
        """
        require_ray()

    def worker_gpus(self, ray: Any) -> float:
        """Return the number of GPUs of a worker, when it is known that one has room on a cluster of this machine.

        Args:
            ray: The module, connected.

        Raises:
            ClusterError: If this machine has no room for a worker.
        """
        gpus = self.gpus
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
        if self.address == "local" and not fitting(ray, self.cpus, gpus):
            raise ClusterError(f"this machine has no room for a worker with {self.cpus:g} CPUs and {gpus:g} GPUs.")
        return gpus

    def run(self, task: Task, workers: Sequence[Worker]) -> None:
        """See :class:`clfa.jobs.executor.Executor`.

        Raises:
            ClusterError: If no node has resources for a worker, a worker cannot load the model, or too many shards are
                lost.
        """
        del workers
        with connected(self.address) as ray:
            gpus = self.worker_gpus(ray)
            environment = worker_environment()
            job = ray.cloudpickle.dumps(task.job)
            arguments = (job, task.identity, task.record, task.image_root, task.strict, environment, os.getcwd())
            resources = {"num_cpus": self.cpus, "num_gpus": gpus}

            def attempt(missing: Sequence[Piece]) -> Iterator[WorkerReport]:
                room = wait_for_room(lambda: fitting(ray, self.cpus, gpus))
                return _round(ray, missing, arguments, min(self.workers or room, len(missing)), resources)

            def finish(piece: Piece, result: Summary | str) -> None:
                task.finish(piece, result)
                task.advance(piece.rows or 0)

            task.lost = in_rounds(task.pieces, attempt, finish)


def in_rounds(
    pieces: Sequence[Piece], attempt: Callable[[Sequence[Piece]], Iterable[WorkerReport]], finish: Finish
) -> int:
    """Process pieces in rounds until each is done, has failed, or has had ``MAX_ATTEMPTS`` attempts.

    Args:
        pieces: The pieces.
        attempt: Processes pieces and yields reports; a piece lost with its worker has no report.
        finish: Called with each piece and its counts, or the reason of its failure.

    Returns:
        Number of times a piece was lost with its worker.

    Raises:
        ClusterError: If a worker cannot load the model.
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
    """Yield the reports of shards that were not lost, in order of arrival.

    Raises:
        ClusterError: If too many were lost.
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


def wait_for_room(count_fitting: Callable[[], int]) -> int:
    """Wait for resources and return the number of workers that fit, at least 1.

    Args:
        count_fitting: Returns the number that fits now.

    Raises:
        ClusterError: If no worker fits within ``PATIENCE_S`` seconds.
    """
    end = time.monotonic() + PATIENCE_S
    while not (count := count_fitting()):
        if time.monotonic() > end:
            raise ClusterError(
                f"no worker could be started for {PATIENCE_S:.0f} s: the cluster has no node with room for one."
            )
        time.sleep(1.0)
    return count


def fitting(ray: Any, cpus: float, gpus: float) -> int:
    """Return the number of workers that the current nodes have resources for.

    Args:
        ray: The module, connected.
        cpus: Number of CPUs per worker.
        gpus: Number of GPUs per worker.
    """
    count = 0
    for node in ray.nodes():
        if node["Alive"]:
            free = node["Resources"]
            rooms = [free.get(name, 0) // need for name, need in (("CPU", cpus), ("GPU", gpus)) if need]
            count += int(min(rooms)) if rooms else 1
    return count
