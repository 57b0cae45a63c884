"""Comparison of a run's model with its yardsticks, from ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Standing:
    """The model and the best yardstick on the validation split.

    Args:
        metric: Title of the metric.
        model: Score of the model.
        best: Name of the yardstick with the best score.
        yardstick: Its score.
    """

    metric: str
    model: float
    best: str
    yardstick: float

    @property
    def above(self) -> bool:
        """Whether the model has a higher score than every yardstick."""
        return self.model > self.yardstick

    def __str__(self) -> str:
        is_not = "is" if self.above else "is not"
        model, yardstick = shown(self.metric, self.model), shown(self.metric, self.yardstick)
        return (
            f"The model ({self.metric} {model} on validation) {is_not} above the best yardstick "
            f"({self.best}, {yardstick})."
        )


def selection_score(metrics: Mapping[str, Any]) -> tuple[str, float]:
    """Return title and value of the figure that runs are selected by.

    Args:
        metrics: Metrics of one split, as :func:`clfa.targets.default_label.split_metrics`.
    """
    return ("score", metrics["score"]) if "score" in metrics else ("macro-F1", metrics["macro_f1"])


def shown(metric: str, value: float) -> str:
    """Return a selection score as text: macro-F1 in percent, other scores as a fraction."""
    return f"{100 * value:.1f}" if metric == "macro-F1" else f"{value:.3f}"


def computed(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the yardsticks that were computed, by name.

    Args:
        metrics: Content of ``metrics.json``.
    """
    return {name: entry for name, entry in metrics.get("yardsticks", {}).items() if "validation" in entry}


def standing(metrics: Mapping[str, Any]) -> Standing | None:
    """Return the comparison on the validation split; ``None`` for a run without yardsticks.

    Args:
        metrics: Content of ``metrics.json``.
    """
    scores = {name: selection_score(entry["validation"])[1] for name, entry in computed(metrics).items()}
    if not scores:
        return None
    best = max(scores, key=lambda name: scores[name])
    return Standing(*selection_score(metrics["validation"]), best, scores[best])
