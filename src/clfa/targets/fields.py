"""The fields of a target, as a model's configuration holds them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SINGLE_LABEL = "single_label_classification"
# The default target's name, which is also that of its column in tables.
LABEL = "label"


@dataclass(frozen=True)
class TargetFields:
    """One thing to predict.

    A sample's targets lie one after the other in a flat vector of numbers, for instance the class index of a
    single-label target, 0 or 1 for every class of a multi-label one, the value of a regression. NaN stands for a target
    that the sample has no label for.

    Args:
        name: Distinct within a model.
        problem_type: A name in :data:`clfa.targets.PROBLEM_TYPES`.
        label_names: C class names in index order; none for a regression.
        weight: Factor of this target's loss in the classification loss.
        class_weights: Weight of each class in the loss (C,); of the positives in a multi-label target. ``None``: 1.
        mean: Of a regression's training values, which are standardised by it.
        sd: Their standard deviation.
        thresholds: Probability from which on a multi-label target has the class (C,); ``None``: 0.5.
    """

    name: str
    problem_type: str = SINGLE_LABEL
    label_names: tuple[str, ...] = ()
    weight: float = 1.0
    class_weights: tuple[float, ...] | None = None
    mean: float = 0.0
    sd: float = 1.0
    thresholds: tuple[float, ...] | None = None

    @property
    def is_default(self) -> bool:
        """Whether this is the default label: one class per sample, named ``label``, of weight 1."""
        return (self.name, self.problem_type, self.weight) == (LABEL, SINGLE_LABEL, 1)

    @property
    def of_target(self) -> str:
        """For messages: " of target NAME", nothing for the default label."""
        return "" if self.is_default else f" of target {self.name!r}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for a model's configuration; ``Target(**value)`` reads it back."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}
