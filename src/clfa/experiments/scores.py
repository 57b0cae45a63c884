"""How scores are called, scaled and ordered in tables."""

from __future__ import annotations

from collections.abc import Iterable

# By the last part of a nested name; all else are fractions, shown as percent, of which more is better.
LOWER_IS_BETTER = {"mae", "mse", "rmse", "loss", "hamming_loss", "median_rank"}
NOT_PERCENT = {"mae", "mse", "rmse", "loss", "median_rank", "r2", "pearson", "spearman", "correlation"}
_NAMES = {
    "weighted_f1": "weighted F1",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
    "binary_f1": "F1 of the second class",
    "mae": "MAE",
    "mse": "MSE",
    "rmse": "RMSE",
    "r2": "R²",
}
_NOT_HEADLINES = ("student_retrieval", "classes.", "samples", "support")


def _last(metric: str) -> str:
    return metric.rpartition(".")[2]


def lower_is_better(metric: str) -> bool:
    """Whether less is better."""
    return _last(metric) in LOWER_IS_BETTER


def factor(metric: str) -> float:
    """100 for fractions, which are shown as percent; 1 for all else."""
    return 1.0 if _last(metric) in NOT_PERCENT else 100.0


def title(metric: str) -> str:
    """For people: ``targets.sentiment.weighted_f1`` -> ``sentiment, weighted F1``."""
    target, _, last = metric.removeprefix("targets.").rpartition(".")
    name = _NAMES.get(last, last.replace("_", " "))
    return f"{target}, {name}" if target else name


def shown_metrics(wanted: Iterable[str], columns: Iterable[str], split: str) -> list[str]:
    """Of the wanted metrics those that the table has; where it has none, the first six that it has.

    Args:
        wanted: Names without the split.
        columns: Of the results table.
        split: ``validation`` or ``test``.
    """
    have = [column.removeprefix(f"{split}.") for column in columns if column.startswith(f"{split}.")]
    found = [name for name in wanted if name in have]
    return found or [name for name in have if not any(part in name for part in _NOT_HEADLINES)][:6]
