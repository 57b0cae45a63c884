"""The table of a run's model beside its yardsticks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clfa.terminal import console, echo
from clfa.yardsticks.standing import computed, selection_score, shown, standing


def show_yardsticks(metrics: Mapping[str, Any]) -> None:
    """Print the scores of the model and the yardsticks, and whether the model is above them; nothing without any.

    Args:
        metrics: Content of ``metrics.json``.
    """
    found = standing(metrics)
    if found is None:
        return
    from rich.table import Table

    splits = [name for name in ("validation", "test") if name in metrics]
    table = Table("", *(f"{name} {found.metric}" for name in splits), title="Model and yardsticks")
    for name, scores in {"model": metrics, **computed(metrics)}.items():
        table.add_row(name, *(shown(*selection_score(scores[split])) for split in splits))
    console().print(table)
    if not found.above:
        echo(str(found))
