"""The prediction of one target for one post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TargetPrediction:
    """Prediction of one target for one post.

    Args:
        value: The class, the list of classes (in the type of the training table), or the number in its unit.
        probabilities: Probabilities by class name (for a multi-label target, they do not add up to 1); ``None`` for a
            regression.
    """

    value: Any
    probabilities: dict[str, float] | None = None

    def to_dict(self, digits: int = 6) -> dict[str, Any]:
        """Return JSON values: ``prediction`` and, for classes, ``probabilities``."""
        if self.probabilities is None:
            value = self.value
            return {"prediction": float(f"{value:.{digits}g}") if isinstance(value, float) else value}
        return {"prediction": self.value, "probabilities": {k: round(p, digits) for k, p in self.probabilities.items()}}

    @property
    def classes(self) -> list[str]:
        """Names of the predicted classes; empty for a number."""
        if self.probabilities is None:
            return []
        return list(map(str, self.value if isinstance(self.value, list) else [self.value]))
