"""Medians, spreads and ratios of repetitions that alternate between contenders."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Spread:
    """Where repetitions lie.

    Args:
        median: Of the values.
        low: Lower quartile; the smallest of fewer than four values.
        high: Upper quartile; the largest of fewer than four values.
        count: Number of values.
    """

    median: float
    low: float
    high: float
    count: int


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles.

    Raises:
        ValueError: Without values.
    """
    if not values:
        raise ValueError("no values: nothing was repeated.")
    ordered = sorted(values)
    if len(ordered) < 4:
        return Spread(median(ordered), ordered[0], ordered[-1], len(ordered))
    low, _, high = quantiles(ordered, n=4, method="inclusive")
    return Spread(median(ordered), low, high, len(ordered))


def ratios(slower: Sequence[float], faster: Sequence[float]) -> Spread:
    """How many times longer the first takes, repetition by repetition.

    Values of one repetition were taken one right after the other: what the machine did meanwhile hits both.

    Raises:
        ValueError: When the two differ in number.
    """
    if len(slower) != len(faster):
        raise ValueError(f"{len(slower)} against {len(faster)} repetitions; ratios need pairs.")
    return spread([a / b for a, b in zip(slower, faster, strict=True)])


def alternate(
    contenders: Mapping[str, Callable[[], float]], repetitions: int, warm_up: int = 1, seed: int = 0
) -> dict[str, list[float]]:
    """Run all contenders once per repetition, in an order that changes from one repetition to the next.

    Args:
        contenders: By name; each returns what it measured.
        repetitions: Values kept of each.
        warm_up: Rounds before them whose values are thrown away.
        seed: Of the orders.
    """
    order = list(contenders)
    shuffle = random.Random(seed).shuffle
    values: dict[str, list[float]] = {name: [] for name in order}
    for repetition in range(-warm_up, repetitions):
        shuffle(order)
        for name in order:
            value = contenders[name]()
            if repetition >= 0:
                values[name].append(value)
    return values
