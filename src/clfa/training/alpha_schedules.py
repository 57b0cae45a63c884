"""Schedules of the alignment weight alpha. A new schedule is a function and one registry line here."""

from __future__ import annotations

import math
from numbers import Real

from clfa.errors import RecipeError
from clfa.registry import Registry

ALPHA_SCHEDULES = Registry(
    "alpha schedule",
    {
        "constant": "clfa.training.alpha_schedules:constant",
        "linear_decay": "clfa.training.alpha_schedules:linear_decay",
    },
)


def constant(progress: float) -> float:
    """Return the factor of a constant ``alpha``, as in the paper.

    Args:
        progress: Completed fraction of the training, 0 to 1.

    Returns:
        Factor of ``alpha``.
    """
    return 1.0


def linear_decay(progress: float) -> float:
    """Return the factor of a linear decay from ``alpha`` to 0.

    Args:
        progress: Completed fraction of the training, 0 to 1.

    Returns:
        Factor of ``alpha``.
    """
    return max(0.0, 1.0 - progress)


def alpha_factor(name: str, progress: float) -> float:
    """Return the factor of ``alpha`` by a schedule.

    Args:
        name: Name in :data:`ALPHA_SCHEDULES`.
        progress: Completed fraction of the training, 0 to 1.

    Raises:
        RecipeError: When the schedule is unknown, or returns no finite number.
    """
    factor = ALPHA_SCHEDULES.get(name)(progress)
    if not isinstance(factor, Real) or not math.isfinite(factor):
        raise RecipeError(
            f"training.alpha_schedule {name!r} returned {factor!r} at {100 * progress:.0f} % of the training; it "
            "has to return a finite number."
        )
    return float(factor)
