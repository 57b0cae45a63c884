"""Measured values as text."""

from __future__ import annotations

from benchmarks.spread import Spread


def duration(value: float) -> str:
    """Three digits with a unit: ``12.3 s``, ``4.56 ms``."""
    if value < 1e-3:
        return f"{_digits(value * 1e6)} µs"
    return f"{_digits(value)} s" if value >= 1 else f"{_digits(value * 1e3)} ms"


def seconds(s: Spread) -> str:
    """Median with quartiles."""
    if s.count == 1:
        return duration(s.median)
    return f"{duration(s.median)} ({duration(s.low)} to {duration(s.high)})"


def times(s: Spread) -> str:
    """A ratio with quartiles."""
    return f"**{s.median:.2f}x**" + (f" ({s.low:.2f} to {s.high:.2f})" if s.count > 1 else "")


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
