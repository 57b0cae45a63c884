"""Shards on a Ray cluster: workers that load the model once, and a driver that hands out shards.

Why exactly once: where machines may be lost, a scheduler can run a task *at least* once and no better. Here a task is
one shard, its result a file under a name that only the shard decides, renamed into place when whole
(:class:`clfa.scaling.output.OutputFolder`). Doing a shard twice therefore gives what doing it once gives, and at least
once becomes exactly once. Nothing but names of shards and counts passes through Ray: its object store stays empty, and
no lineage has to be kept for a run of days.

Why not Ray Data's ``map_batches``: it, too, survives the loss of a node, but its actor pool repeats the work of a lost
actor without end (``max_restarts`` and ``max_task_retries`` are -1), so that one row that kills its worker keeps a run
alive for ever with nothing written. Here such a shard is given up after a few times and named, and what is done is on
disk, for the same command to go on from. ``benchmarks/ray_data.py`` does the same work by both.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clfa.errors import CLFAError, DataError, ModelError
from clfa.scaling.job import Cluster, Finish, Job, Worker, process_shard
from clfa.scaling.output import OutputFolder, Summary
from clfa.scaling.shards import Shard

logger = logging.getLogger(__name__)

# A shard that was lost, or failed for other reasons than its data, so many times is given up.
MAX_ATTEMPTS = 4
# Seconds without one live worker after which a run ends; a cluster that grows may need minutes for a machine.
PATIENCE_S = 900.0
# Nothing is put into it; 78 MB is the least that Ray takes.
_OBJECT_STORE_BYTES = 100_000_000
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
        address: See :class:`clfa.scaling.job.Cluster`.

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


class ShardWorker:
    """The actor: a worker opened once, then one shard after the other.

    Args:
        job: Pickled with Ray's pickler, so that ``environment`` is set before its modules are imported.
        environment: Variables to set.
        directory: The driver's working directory, where relative paths start if this machine has it.
    """

    def __init__(self, job: bytes, environment: dict[str, str], directory: str) -> None:
        os.environ.update(environment)
        if os.path.isdir(directory):
            os.chdir(directory)
        self._job = job
        self._worker: Worker | None = None

    def open(self, identity: dict[str, Any]) -> None:
        """Load the model.

        Raises:
            ModelError: When it is not the model that the driver sees.
        """
        from ray import cloudpickle

        job: Job = cloudpickle.loads(self._job)
        self._worker = job.open()
        if self._worker.identity != identity:
            raise ModelError(
                "a worker's machine has another model, or other packages, than the driver's: "
                f"{self._worker.identity} instead of {identity}."
            )

    def process(self, shard: Shard, folder: OutputFolder, strict: bool) -> Summary:
        """Do one shard; see :func:`clfa.scaling.job.process_shard`."""
        assert self._worker is not None
        return process_shard(self._worker, shard, folder, strict)


@dataclass
class _Task:
    shard: Shard
    attempts: int = 0


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
        How often a worker was lost.

    Raises:
        ClusterError: When no node has room for a worker, none could be started, or a worker could not load the model.
    """
    with connected(cluster.address) as ray:
        gpus = cluster.gpus
        if gpus is None:
            gpus = 1.0 if ray.cluster_resources().get("GPU", 0) >= 1 else 0.0
        fitting = _fitting(ray, cluster.cpus, gpus)
        if not fitting and cluster.address == "local":
            raise ClusterError(f"this machine has no room for a worker with {cluster.cpus:g} CPUs and {gpus:g} GPUs.")
        workers = min(cluster.workers or max(fitting, 1), len(shards))
        actor = ray.remote(num_cpus=cluster.cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0)(ShardWorker)
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        pickled = ray.cloudpickle.dumps(job)
        pool = _Pool(ray, lambda: actor.remote(pickled, environment, os.getcwd()), identity, workers)
        try:
            pool.run(shards, folder, finish, strict)
        finally:
            pool.close()
        return pool.lost


def _fitting(ray: Any, cpus: float, gpus: float) -> int:
    """Workers that fit the nodes as they are."""
    count = 0
    for node in ray.nodes():
        if node["Alive"]:
            free = node["Resources"]
            rooms = [free.get(name, 0) // need for name, need in (("CPU", cpus), ("GPU", gpus)) if need]
            count += int(min(rooms)) if rooms else 1
    return count


class _Pool:
    """Workers in three states: starting, busy with a task, idle. A lost one is replaced; its task goes to any other."""

    def __init__(self, ray: Any, make: Any, identity: dict[str, Any], size: int) -> None:
        self._ray, self._make, self._identity, self._size = ray, make, identity, size
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, _Task]] = {}
        self._idle: list[Any] = []
        self._failed_starts = 0
        self.lost = 0

    def run(self, shards: Sequence[Shard], folder: OutputFolder, finish: Finish, strict: bool) -> None:
        """Do all shards; returns when each has been given to ``finish``."""
        queue = deque(map(_Task, shards))
        alone_since = time.monotonic()
        while queue or self._busy:
            self._start(min(self._size, len(queue) + len(self._busy)))
            while queue and self._idle:
                worker, task = self._idle.pop(), queue.popleft()
                task.attempts += 1
                self._busy[worker.process.remote(task.shard, folder, strict)] = worker, task
            ready, _ = self._ray.wait([*self._starting, *self._busy], num_returns=1, timeout=10.0)
            for reference in ready:
                if reference in self._starting:
                    self._started(reference)
                else:
                    self._finished(reference, queue, finish)
            if self._busy or self._idle:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > PATIENCE_S:
                raise ClusterError(
                    f"no worker could be started for {PATIENCE_S:.0f} s: the cluster has no node with room for one. "
                    "What is done is kept; the same command goes on from there."
                )

    def _start(self, wanted: int) -> None:
        for _ in range(wanted - len(self._starting) - len(self._busy) - len(self._idle)):
            worker = self._make()
            self._starting[worker.open.remote(self._identity)] = worker

    def _started(self, reference: Any) -> None:
        worker = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            raise ClusterError(f"a worker cannot load the model: {error.cause}") from error
        except self._ray.exceptions.RayError as error:
            self._discard(worker)
            self._failed_starts += 1
            if self._failed_starts > MAX_ATTEMPTS * self._size:
                raise ClusterError(f"workers die while they load the model; the last: {_line(error)}") from error
        else:
            self._idle.append(worker)

    def _finished(self, reference: Any, queue: deque[_Task], finish: Finish) -> None:
        worker, task = self._busy.pop(reference)
        try:
            result = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, DataError):
                # The data's fault: it would fail everywhere.
                self._idle.append(worker)
                finish(task.shard, str(error.cause))
                return
            self._discard(worker)
            why = f"{type(error.cause).__name__}: {error.cause}"
        except self._ray.exceptions.RayError as error:
            self._discard(worker)
            self.lost += 1
            why = f"its worker was lost ({_line(error)})"
            logger.warning("A worker was lost; its shard %s goes to another one.", task.shard.number)
        else:
            self._idle.append(worker)
            finish(task.shard, result)
            return
        if task.attempts < MAX_ATTEMPTS:
            queue.appendleft(task)
        else:
            finish(task.shard, f"{task.shard.path}: given up after {task.attempts} attempts; the last: {why}")

    def _discard(self, worker: Any) -> None:
        self._ray.kill(worker)

    def close(self) -> None:
        """End all workers."""
        busy = [worker for worker, _ in self._busy.values()]
        for worker in [*self._starting.values(), *busy, *self._idle]:
            self._discard(worker)


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
