"""The prediction beside a real run: one job on one local Ray node and on two, in turns."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.cluster.measured import Measured, read_measured
from benchmarks.cluster.simulate import Cluster, simulate
from benchmarks.cluster.two_nodes import local_nodes
from clfa.jobs.cluster import RayCluster
from clfa.jobs.run import run_job
from clfa.jobs.worker import Job

# What the prediction may be wrong by.
TOLERANCE = 0.15


@dataclass(frozen=True)
class Checked:
    """A prediction and what was measured.

    Args:
        predicted: Seconds on two nodes, from the shard times on one.
        measured: Seconds on two nodes.
        slower: How many times as long a shard took on two nodes as on one, of all shards together.
    """

    predicted: float
    measured: float
    slower: float

    @property
    def difference(self) -> float:
        """Of the prediction, as a part of what was measured."""
        return self.predicted / self.measured - 1


def predict_wall(one: Measured, workers: int) -> float:
    """Return the seconds of a job on several workers, from a run with one.

    Args:
        one: Measured shards with one worker.
        workers: Number of workers.
    """
    return simulate(one.seconds, 0.0 * one.seconds, Cluster(workers, start_up=one.start_up)).wall


def check(
    job: Job, source: Path, shard_rows: int, repetitions: int, on_nodes: Callable[..., Measured]
) -> list[Checked]:
    """Run a job in turns on one node and on two, and compare.

    Args:
        job: The job.
        source: Its table.
        shard_rows: Rows of a shard.
        repetitions: Number of turns.
        on_nodes: :func:`run_on_nodes`, or what takes its place.
    """
    found = []
    for number in range(repetitions):
        # The first in one turn is the second in the next.
        order = (1, 2) if number % 2 == 0 else (2, 1)
        runs = {nodes: on_nodes(job, source, shard_rows, nodes) for nodes in order}
        one, two = runs[1], runs[2]
        found.append(Checked(predict_wall(one, 2), two.wall, float(two.seconds.sum() / one.seconds.sum())))
        print(line(found[-1]), file=sys.stderr, flush=True)
    return found


def run_on_nodes(job: Job, source: Path, shard_rows: int, nodes: int) -> Measured:
    """Run a job on a new local cluster and return its shard times.

    Args:
        job: The job.
        source: Its table.
        shard_rows: Rows of a shard.
        nodes: Number of nodes, with one worker each.

    Raises:
        CLFAError: If the job fails.
    """
    with tempfile.TemporaryDirectory() as name, local_nodes(nodes) as address:
        output = Path(name) / "out"
        run_job(job, source, output, executor=RayCluster(address, workers=nodes), shard_rows=shard_rows)
        return read_measured(output, nodes)


def line(checked: Checked) -> str:
    """Return a comparison in words."""
    return (
        f"two nodes: {checked.measured:.1f} s measured, {checked.predicted:.1f} s predicted, {checked.difference:+.1%}"
        f"; a shard took {checked.slower:.2f} times as long as on one node"
    )


def held(found: list[Checked]) -> bool:
    """Return whether the median of all comparisons is within the tolerance."""
    return abs(median(checked.difference for checked in found)) <= TOLERANCE


def verdict(found: list[Checked]) -> str:
    """Return the median of all comparisons in words."""
    middle = median(checked.difference for checked in found)
    return f"median of {len(found)}: {middle:+.1%}, {'within' if held(found) else 'NOT within'} {TOLERANCE:.0%}"
