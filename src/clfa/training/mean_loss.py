"""Mean loss of all steps of a training, also of one that was resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def mean_loss(history: Sequence[Mapping[str, Any]], begun: int, steps: int, rest: Any) -> dict[str, float]:
    """Return the entry ``train_loss`` of the last line of a history; none where a loss is not known.

    Args:
        history: Lines of the history; those with a ``loss`` have the mean since the line before.
        begun: Step that the training was resumed from; 0 for one that was not.
        steps: Number of all steps.
        rest: Sum of the losses since the last line.
    """
    logged = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    if any(loss is None for _, loss in logged) or (begun and begun not in dict(logged)):
        return {}
    total, last = 0.0, 0
    for step, loss in logged:
        total += loss * (step - last)
        last = step
    total += float(rest) if steps > last else 0.0
    return {"train_loss": total / max(steps, 1)}
