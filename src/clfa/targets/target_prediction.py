"""The prediction of one target for one post."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# In counts of predicted classes.
NO_LABEL = "(no label)"


@dataclass(frozen=True)
class TargetPrediction:
    """Prediction of one target for one post.

    Args:
        value: The class, the list of classes (in the type of the training table), or the number in its unit.
            ``None`` for a post that gets no label by :class:`clfa.targets.rules.Rules`.
        probabilities: Probabilities by class name (for a multi-label target, they do not add up to 1); ``None`` for a
            regression.
        confidence: How sure the prediction is, from 0 to 1, where :class:`clfa.targets.rules.Rules` ask for a coverage.
        set: The prediction set, where they ask for it: a list of classes, or the lowest and the highest number.
    """

    value: Any
    probabilities: dict[str, float] | None = None
    confidence: float | None = None
    set: list[Any] | None = None

    @property
    def abstained(self) -> bool:
        """Whether the post gets no label, because the prediction is not sure enough."""
        return self.value is None and self.confidence is not None

    def to_dict(self, digits: int = 6) -> dict[str, Any]:
        """Return JSON values.

        They are ``prediction``; for classes ``probabilities``; by rules ``confidence`` and ``abstained``, and ``set``.
        """
        if self.probabilities is None:
            found: dict[str, Any] = {"prediction": _rounded(self.value, digits)}
        else:
            found = {
                "prediction": self.value,
                "probabilities": {k: round(p, digits) for k, p in self.probabilities.items()},
            }
        if self.confidence is not None:
            found |= {"confidence": round(self.confidence, digits), "abstained": self.abstained}
        if self.set is not None:
            found["set"] = [_rounded(value, digits) for value in self.set]
        return found

    @property
    def classes(self) -> list[str]:
        """Names of the predicted classes; empty for a number."""
        if self.probabilities is None:
            return []
        if self.abstained:
            return [NO_LABEL]
        return list(map(str, self.value if isinstance(self.value, list) else [self.value]))


def _rounded(value: Any, digits: int) -> Any:
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
