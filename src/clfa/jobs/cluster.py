"""Shards on a Ray cluster: Ray Data hands them to workers that load the model once.

Why exactly once: where machines may be lost, a scheduler can run a task *at least* once and no better. Here a task is
one shard, its result a file under a name that only the shard decides, renamed into place when whole
(:class:`clfa.jobs.output.OutputFolder`). Doing a shard twice therefore gives what doing it once gives, and at least
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
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from clfa.errors import CLFAError, DataError, ModelError
from clfa.jobs.job import Cluster, Finish, Job, Worker, process_shard
from clfa.jobs.output import OutputFolder, Summary
from clfa.tables.shards import Shard

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


class ClusterError(CLFAError):
    """A Ray cluster that is absent, too small, or lost."""


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
            "--engine ray needs Ray, on every machine: pip install 'clfa[ray]'. Without it, --engine torch does the "
            "same in one process."
        ) from error
    return ray


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The ``ray`` module connected to a cluster; what was started or connected here is left at the end.

    Args:
        address: See :class:`clfa.jobs.job.Cluster`.

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
            "machines with `ray start --address=HEAD:6379`, or leave --address out to use this machine alone."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


@dataclass(frozen=True)
class Report:
    """What a worker says of a shard.

    Args:
        number: The shard's.
        state: ``done``; ``failed`` for good, as its data is at fault; ``troubled``, which another attempt may mend;
            ``helpless``, as the worker could not load the model.
        content: The counts as JSON, or why not.
    """

    number: int
    state: str
    content: str


class ShardWorker:
    """What Ray Data keeps alive: a worker opened once, then one shard after the other.

    Args:
        job: Pickled with Ray's pickler, so that ``environment`` is set before its modules are imported.
        identity: Of the model as the driver sees it.
        folder: Where parts go.
        strict: Make the first failing row an error.
        environment: Variables to set.
        directory: The driver's working directory, where relative paths start if this machine has it.
    """

    def __init__(
        self,
        job: bytes,
        identity: dict[str, Any],
        folder: OutputFolder,
        strict: bool,
        environment: dict[str, str],
        directory: str,
    ) -> None:
        os.environ.update(environment)
        if os.path.isdir(directory):
            os.chdir(directory)
        self._job, self._identity, self._folder, self._strict = job, identity, folder, strict
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do one shard.

        Args:
            batch: Columns of one row, the fields of a :class:`clfa.tables.shards.Shard`.

        Returns:
            Columns of one row, the fields of a :class:`Report`.
        """
        fields = {name: values[0] for name, values in batch.items()}
        # NumPy's numbers are no JSON.
        fields = {name: value.item() if isinstance(value, np.generic) else value for name, value in fields.items()}
        report = self.report(Shard(**fields))
        return {name: [value] for name, value in dataclasses.asdict(report).items()}

    def report(self, shard: Shard) -> Report:
        """Do a shard; see :func:`clfa.jobs.job.process_shard`. No error leaves, as Ray Data would pass over it."""
        try:
            if self._worker is None:
                self._worker = self._open()
        except Exception as error:
            return Report(shard.number, "helpless", str(error))
        try:
            summary = process_shard(self._worker, shard, self._folder, self._strict)
        except DataError as error:
            return Report(shard.number, "failed", str(error))
        except Exception as error:
            # Whatever state it is in, the next shard finds a fresh one.
            self._worker = None
            return Report(shard.number, "troubled", f"{type(error).__name__}: {error}")
        return Report(shard.number, "done", json.dumps(summary.to_dict()))

    def _open(self) -> Worker:
        from ray import cloudpickle

        job: Job = cloudpickle.loads(self._job)
        worker = job.open()
        if worker.identity != self._identity:
            raise ModelError(
                "a worker's machine has another model, or other packages, than the driver's: "
                f"{worker.identity} instead of {self._identity}."
            )
        return worker


def run_on_cluster(
    job: Job,
    identity: dict[str, Any],
    shards: Sequence[Shard],
    folder: OutputFolder,
    finish: Finish,
    cluster: Cluster,
    strict: bool = False,
) -> int:
    """Do shards on a Ray cluster.

    Args:
        job: What to do.
        identity: Of the worker as the driver sees it.
        shards: Which.
        folder: Where parts go.
        finish: Called with every shard and its counts, or why it failed.
        cluster: Where.
        strict: Make the first failing row an error.

    Returns:
        How often a shard was lost with its worker.

    Raises:
        ClusterError: When no node has room for a worker, a worker could not load the model, or too many were lost.
    """
    with connected(cluster.address) as ray:
        gpus = cluster.gpus
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
        if cluster.address == "local" and not _fitting(ray, cluster.cpus, gpus):
            raise ClusterError(f"this machine has no room for a worker with {cluster.cpus:g} CPUs and {gpus:g} GPUs.")
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        arguments = (ray.cloudpickle.dumps(job), identity, folder, strict, environment, os.getcwd())

        def attempt(missing: Sequence[Shard]) -> Iterator[Report]:
            fitting = _wait_for_room(lambda: _fitting(ray, cluster.cpus, gpus))
            workers = min(cluster.workers or fitting, len(missing))
            return _round(ray, missing, arguments, workers, {"num_cpus": cluster.cpus, "num_gpus": gpus})

        return in_rounds(shards, attempt, finish)


def in_rounds(shards: Sequence[Shard], attempt: Callable[[Sequence[Shard]], Iterable[Report]], finish: Finish) -> int:
    """Attempt shards until each is done, has failed, or is given up.

    Args:
        shards: Which.
        attempt: Does shards; of those that were lost with their worker there is no report.
        finish: See :func:`run_on_cluster`.

    Returns:
        How often a shard was lost with its worker.

    Raises:
        ClusterError: When a worker could not load the model.
    """
    missing = {shard.number: shard for shard in shards}
    lost = 0
    for _ in range(MAX_ATTEMPTS):
        troubles: dict[int, str] = {}
        for report in attempt(list(missing.values())):
            if report.state == "helpless":
                raise ClusterError(f"a worker cannot load the model: {report.content}")
            if report.state == "troubled":
                troubles[report.number] = report.content
                continue
            shard = missing.pop(report.number)
            finish(shard, Summary.from_dict(json.loads(report.content)) if report.state == "done" else report.content)
        if not missing:
            break
        lost += len(missing) - len(troubles)
        logger.warning("%d shards were lost with their worker or failed.", len(missing))
    for number, shard in missing.items():
        why = troubles.get(number, "its worker was lost")
        finish(shard, f"{shard.path}: given up after {MAX_ATTEMPTS} attempts; the last: {why}")
    return lost


def _round(
    ray: Any, shards: Sequence[Shard], arguments: tuple[Any, ...], workers: int, resources: dict[str, Any]
) -> Iterator[Report]:
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
        data = ray_data.from_items([dataclasses.asdict(shard) for shard in shards], override_num_blocks=len(shards))
        done = data.map_batches(
            ShardWorker,
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
                yield Report(**row)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"more than {context.max_errored_blocks} shards were lost with their workers; the last: "
                f"{str(error).strip().partition(chr(10))[0]} What is done is kept; the same command goes on from there."
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
                f"no worker could be started for {PATIENCE_S:.0f} s: the cluster has no node with room for one. "
                "What is done is kept; the same command goes on from there."
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
