"""How the weight of the alignment moves during training. A new schedule is a function and one registry line here."""

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
    """``alpha`` throughout, as in the paper.

    Args:
        progress: Fraction of the training done, 0 to 1.

    Returns:
        What ``alpha`` is multiplied by.
    """
    return 1.0


def linear_decay(progress: float) -> float:
    """From ``alpha`` to 0.

    Args:
        progress: Fraction of the training done, 0 to 1.

    Returns:
        What ``alpha`` is multiplied by.
    """
    return max(0.0, 1.0 - progress)
