"""Schedules of the alignment weight alpha. A new schedule is a function and one registry line here."""

from __future__ import annotations

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
