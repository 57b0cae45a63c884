"""Formatting of numbers for tables."""

from __future__ import annotations

import math

from clfa.experiments.scores import factor


def number(value: float, digits: int = 1, sign: bool = False) -> str:
    """Format a number; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return f"{value:{'+' if sign else ''},.{digits}f}".replace("-", "−")


def p_value(value: float) -> str:
    """Format a p value; a dash for NaN."""
    if math.isnan(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def plus_minus(mean: float, sd: float, digits: int = 1) -> str:
    """Format mean and standard deviation; only the mean if the standard deviation is NaN."""
    return number(mean, digits) if math.isnan(sd) else f"{number(mean, digits)} ± {number(sd, digits)}"


def count(value: float) -> str:
    """Format a large number: ``1.2 M``; a dash for NaN."""
    if math.isnan(value):
        return "–"
    for size, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:.1f}{unit}"
    return f"{value:.0f}"


def digits(metric: str) -> int:
    """Return the number of decimals of a score: one for percents, three for all others."""
    return 1 if factor(metric) == 100 else 3
