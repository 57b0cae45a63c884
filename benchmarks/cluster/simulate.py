"""Simulation of one job on a cluster, from event to event.

The rules are those of :mod:`clfa.jobs.cluster`. A free worker takes the next shard. A shard that is lost with its
worker waits for the next round, which begins with new workers when all other shards have ended; after the last round it
is given up. The lost worker starts again. A worker reads ahead, so that a shard takes the longer of computing and
reading. The workers that have a shard share the bandwidth of their machine, and all machines that of the storage,
equally.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Sums of steps are exact up to rounding: seconds, and parts of a shard.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Cluster:
    """Machines of one kind.

    Args:
        machines: Number of machines.
        workers: Workers per machine.
        start_up: Seconds until a worker takes its first shard.
        machine_bandwidth: Bytes per second that a machine can read.
        shared_bandwidth: Bytes per second that the storage gives to all machines together.
    """

    machines: int
    workers: int = 1
    start_up: float = 0.0
    machine_bandwidth: float = np.inf
    shared_bandwidth: float = np.inf


@dataclass
class Outcome:
    """Where the seconds of the workers went; the parts add up to the wall time of all workers.

    Args:
        wall: Seconds from the start to the end of the last shard.
        useful: Seconds of computing shards that ended.
        start_up: Seconds of starting workers.
        reading: Seconds by which reading made shards longer.
        lost: Seconds of work on shards that were lost.
        idle: Seconds without a shard.
        given_up: Number of shards that were lost in every round.
    """

    wall: float = 0.0
    useful: float = 0.0
    start_up: float = 0.0
    reading: float = 0.0
    lost: float = 0.0
    idle: float = 0.0
    given_up: int = 0


def simulate(seconds: Floats, read: Floats, cluster: Cluster, losses: Floats | None = None) -> Outcome:
    """Return what a job takes.

    Args:
        seconds: Seconds of computing each shard, in the order in which they are handed out.
        read: Bytes of each shard.
        cluster: The machines.
        losses: For each round and shard, the part of the shard after which it is lost with its worker; NaN where it is
            not. By default nothing is lost.
    """
    rounds = np.full((1, len(seconds)), np.nan) if losses is None else losses
    outcome, missing = Outcome(), np.arange(len(seconds))
    for lost in rounds:
        _round(seconds[missing], read[missing], lost[missing], cluster, outcome)
        missing = missing[~np.isnan(lost[missing])]
        if not len(missing):
            break
    outcome.given_up = len(missing)
    return outcome


def _round(seconds: Floats, read: Floats, lost: Floats, cluster: Cluster, outcome: Outcome) -> None:
    """Add one round to an outcome."""
    # Neighbours are on different machines: few shards spread over all of them.
    machine = np.tile(np.arange(cluster.machines), cluster.workers)
    shard = np.full(len(machine), -1)
    done = np.zeros(len(machine))
    ready = np.full(len(machine), cluster.start_up)
    kept = np.isnan(lost)
    stop = np.where(kept, 1.0, lost)
    now, following = 0.0, 0
    while True:
        starting = (shard < 0) & (ready > now + _ROUNDING)
        free = np.flatnonzero((shard < 0) & ~starting)[: len(seconds) - following]
        shard[free], done[free] = np.arange(following, following + len(free)), 0.0
        following += len(free)
        busy = np.flatnonzero(shard >= 0)
        if not len(busy) and following == len(seconds):
            break
        current = shard[busy]
        duration = np.maximum(seconds[current], read[current] / _bandwidth(machine[busy], cluster))
        left = stop[current] - done[busy]
        step = min((left * duration).min(initial=np.inf), (ready[starting] - now).min(initial=np.inf))
        share = np.minimum(left, np.divide(step, duration, out=np.ones(len(busy)), where=duration > 0))
        useful = (share * seconds[current])[kept[current]].sum()
        lost_now = (share * duration)[~kept[current]].sum()
        outcome.useful += useful
        outcome.lost += lost_now
        outcome.reading += (share * duration).sum() - useful - lost_now
        outcome.start_up += step * np.count_nonzero(starting)
        outcome.idle += step * (len(machine) - len(busy) - np.count_nonzero(starting))
        outcome.wall += step
        now += step
        done[busy] += share
        ended = busy[left - share <= _ROUNDING]
        ready[ended[~kept[shard[ended]]]] = now + cluster.start_up
        shard[ended] = -1


def _bandwidth(machine: NDArray[np.intp], cluster: Cluster) -> Floats | float:
    """Return the bytes per second of each worker that has a shard, given the machines of these workers."""
    if not len(machine) or (np.isinf(cluster.machine_bandwidth) and np.isinf(cluster.shared_bandwidth)):
        return np.inf
    beside = np.bincount(machine, minlength=cluster.machines)[machine]
    return np.minimum(cluster.machine_bandwidth / beside, cluster.shared_bandwidth / len(machine))
