"""Shards of a large job, drawn from the measured shards of a small one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.cluster.measured import Measured
from benchmarks.cluster.simulate import Floats


@dataclass(frozen=True)
class Draw:
    """One possible course of the job, whatever the machines.

    Args:
        seconds: Seconds of each shard.
        read: Bytes of each shard.
        losses: See :func:`benchmarks.cluster.simulate.simulate`.
    """

    seconds: Floats
    read: Floats
    losses: Floats


def draw(
    measured: Measured, rows: int, shard_rows: int, post_bytes: float, loss: float, attempts: int, seed: int
) -> Draw:
    """Draw a course: a shard takes the seconds per row of some measured shard, slow ones among them.

    Args:
        measured: Measured shards.
        rows: Rows of the job.
        shard_rows: Rows of a shard.
        post_bytes: Bytes that are read for a row.
        loss: Chance that a shard is lost with its worker, in each attempt.
        attempts: Number of attempts.
        seed: Of all random numbers.
    """
    generator = np.random.default_rng(seed)
    sizes = np.full(-(-rows // shard_rows), float(shard_rows))
    sizes[-1] = rows - shard_rows * (len(sizes) - 1)
    rates = generator.choice(measured.seconds / measured.rows, len(sizes))
    shape = attempts, len(sizes)
    losses = np.where(generator.random(shape) < loss, generator.random(shape), np.nan)
    return Draw(sizes * rates, sizes * post_bytes, losses)
