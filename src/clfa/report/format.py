"""Figures as text."""

from __future__ import annotations

import math

from clfa.experiments.scores import factor


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """A figure for a table; a dash where there is none."""
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if sign else ''},.{digits}f}".replace("-", "−")


def p_value(value: float) -> str:
    """A p value for a table."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plus_minus(mean: float, sd: float, digits: int = 1) -> str:
    """Mean and standard deviation; the mean alone of a single run."""
    return number(mean, digits) if math.isnan(sd) else f"{number(mean, digits)} ± {number(sd, digits)}"


def count(value: float) -> str:
    """A large number, short: ``1.2 M``."""
    if math.isnan(value):
        return "–"
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"


def digits(metric: str) -> int:
    """Decimals of a score: one of percents, three of all else."""
    return 1 if factor(metric) == 100 else 3
