"""Titles, scaling and order of scores in tables."""

from __future__ import annotations

from collections.abc import Iterable

from clfa.targets import PROBLEM_TYPES
from clfa.targets.problem_type import Figure

# Metrics that no target defines. All other metrics are fractions, shown as percent, and higher is better.
_FIGURES = {
    "mse": Figure("MSE", percent=False, lower_is_better=True),
    "loss": Figure("loss", percent=False, lower_is_better=True),
    "median_rank": Figure("median rank", percent=False, lower_is_better=True),
    "correlation": Figure("correlation", percent=False),
}
_NOT_HEADLINES = ("student_retrieval", "classes.", "samples", "support")


def _known() -> dict[str, Figure]:
    """Return the known figures by the last part of a metric's name."""
    kinds = (PROBLEM_TYPES.get(name) for name in PROBLEM_TYPES.names())
    return {key: figure for kind in kinds for key, figure in kind.figures.items()} | _FIGURES


def _figure(metric: str) -> Figure:
    last = metric.rpartition(".")[2]
    return _known().get(last, Figure(last.replace("_", " ")))


def lower_is_better(metric: str) -> bool:
    """Return whether lower values of a metric are better."""
    return _figure(metric).lower_is_better


def factor(metric: str) -> float:
    """Return 100 for fractions, which are shown as percent, else 1."""
    return 100.0 if _figure(metric).percent else 1.0


def title(metric: str) -> str:
    """Return a metric's title: ``targets.sentiment.weighted_f1`` -> ``sentiment, weighted F1``."""
    target, _, _ = metric.removeprefix("targets.").rpartition(".")
    name = _figure(metric).title
    return f"{target}, {name}" if target else name


def shown_metrics(wanted: Iterable[str], columns: Iterable[str], split: str) -> list[str]:
    """Return the wanted metrics that the table has; if it has none of them, the first six that it has.

    Args:
        wanted: Names without the split.
        columns: Columns of the results table.
        split: ``validation`` or ``test``.
    """
    have = [column.removeprefix(f"{split}.") for column in columns if column.startswith(f"{split}.")]
    found = [name for name in wanted if name in have]
    return found or [name for name in have if not any(part in name for part in _NOT_HEADLINES)][:6]
