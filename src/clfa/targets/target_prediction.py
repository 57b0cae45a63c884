"""The prediction of one target of one post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TargetPrediction:
    """One target of one post.

    Args:
        value: The class, the list of classes, or the number in the training data's unit.
        probabilities: By class name; those of a multi-label target do not add up to 1. ``None`` for a regression.
    """

    value: Any
    probabilities: dict[str, float] | None = None

    def to_dict(self, digits: int = 6) -> dict[str, Any]:
        """For JSON: ``prediction`` and, for classes, ``probabilities``."""
        value = float(f"{self.value:.{digits}g}") if isinstance(self.value, float) else self.value
        if self.probabilities is None:
            return {"prediction": value}
        return {"prediction": value, "probabilities": {k: round(p, digits) for k, p in self.probabilities.items()}}

    @property
    def classes(self) -> list[str]:
        """The predicted classes; a number has none."""
        if self.probabilities is None:
            return []
        return self.value if isinstance(self.value, list) else [self.value]
