"""Hours, cost and efficiency of a job by the number of machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cluster.draws import Draw
from benchmarks.cluster.simulate import Cluster, simulate

# What workers spend time on besides useful work.
REASONS = {
    "idle": "idle at the end, while the last shards run",
    "reading": "reading",
    "start_up": "start-up",
    "lost": "work lost with a worker",
}


@dataclass(frozen=True)
class Point:
    """A number of machines; means over all draws.

    Args:
        machines: Number of machines.
        hours: Wall hours.
        cost: Price of all machines from start to end.
        efficiency: Share of the workers' time that computes shards that end.
        spent: Shares of the rest by reason, by the names of :data:`REASONS`.
        given_up: Number of shards given up.
    """

    machines: int
    hours: float
    cost: float
    efficiency: float
    spent: dict[str, float]
    given_up: float

    @property
    def reason(self) -> str:
        """What most of the other time goes to."""
        return REASONS[max(self.spent, key=lambda name: self.spent[name])]


def point(draws: Sequence[Draw], cluster: Cluster, price: float) -> Point:
    """Return what a job takes on one cluster.

    Args:
        draws: Courses of the job.
        cluster: The machines.
        price: Of a machine per hour.
    """
    outcomes = [simulate(draw.seconds, draw.read, cluster, draw.losses) for draw in draws]
    hours = float(np.mean([outcome.wall for outcome in outcomes])) / 3600
    total = {name: sum(getattr(outcome, name) for outcome in outcomes) for name in ("useful", *REASONS)}
    # A job of no length wastes nothing.
    whole = sum(total.values())
    share = {name: float(value / whole) if whole else float(name == "useful") for name, value in total.items()}
    efficiency = share.pop("useful")
    given_up = float(np.mean([outcome.given_up for outcome in outcomes]))
    return Point(cluster.machines, hours, hours * cluster.machines * price, efficiency, share, given_up)


def first_below(limit: float, low: int, high: int, efficiency: Callable[[int], float]) -> int:
    """Return the least number of machines whose efficiency is below a limit, by halving.

    Args:
        limit: The limit.
        low: A number that reaches it.
        high: A number that does not.
        efficiency: Of a number of machines.
    """
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if efficiency(middle) < limit else (middle, high)
    return high


def scale(
    draws: Sequence[Draw], cluster: Cluster, price: float, most: int, limit: float = 0.5
) -> tuple[list[Point], Point | None]:
    """Return the points at 1, 2, 4, ... machines, and the first one whose efficiency is below a limit, if any.

    Args:
        draws: Courses of the job.
        cluster: The machines; their number is not used.
        price: Of a machine per hour.
        most: Largest number of machines.
        limit: Of the efficiency.
    """
    known: dict[int, Point] = {}

    def at(machines: int) -> Point:
        if machines not in known:
            known[machines] = point(draws, replace(cluster, machines=machines), price)
        return known[machines]

    numbers = sorted({*(2**n for n in range(most.bit_length())), most})
    points = [at(number) for number in numbers]
    below = [p.machines for p in points if p.efficiency < limit]
    if not below:
        return points, None
    low = max((number for number in numbers if number < below[0]), default=0)
    return points, at(first_below(limit, low, below[0], lambda number: at(number).efficiency))
