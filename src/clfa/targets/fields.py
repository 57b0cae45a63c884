"""The fields of a target in a model's configuration."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from clfa.targets.calibration import Calibration
from clfa.targets.label_types import typed_label

SINGLE_LABEL = "single_label_classification"
# The default target's name, which is also that of its column in tables.
LABEL = "label"


@dataclass(frozen=True)
class TargetFields:
    """One target: a quantity that the model predicts.

    The labels of a sample form one vector, the concatenation of its targets' parts: the class index of a single-label
    target, 0 or 1 for each class of a multi-label target, the value of a regression. NaN means that the sample has no
    label for the target.

    Args:
        name: Name, unique within a model.
        problem_type: A name in :data:`clfa.targets.PROBLEM_TYPES`.
        label_names: C class names in index order; empty for a regression.
        weight: Factor of this target's loss in the classification loss.
        class_weights: Weight of each class in the loss (C,); for a multi-label target, of its positives. ``None``: 1.
        mean: Mean of a regression's training values, for standardisation.
        sd: Standard deviation of these values.
        thresholds: Minimum probability to predict each class of a multi-label target (C,); ``None``: 0.5.
        label_types: Type of each class in the training table (C,), of :data:`clfa.targets.label_types.LABEL_TYPES`;
            ``None``: all are texts.
        calibration: Values fitted on held-out posts; ``None`` for a target that is not calibrated.
    """

    name: str
    problem_type: str = SINGLE_LABEL
    label_names: tuple[str, ...] = ()
    weight: float = 1.0
    class_weights: tuple[float, ...] | None = None
    mean: float = 0.0
    sd: float = 1.0
    thresholds: tuple[float, ...] | None = None
    label_types: tuple[str, ...] | None = None
    calibration: Calibration | None = None

    @cached_property
    def labels(self) -> tuple[Any, ...]:
        """The classes in index order, in the type of the training table: for instance 0 and 1, not ``"0"`` and ``"1"``.

        Raises:
            ValueError: If a class name is not of its type.
        """
        if self.label_types is None:
            return self.label_names
        return tuple(map(typed_label, self.label_names, self.label_types))

    @property
    def is_default(self) -> bool:
        """Whether this is the default label: one class per sample, named ``label``, of weight 1."""
        return (self.name, self.problem_type, self.weight) == (LABEL, SINGLE_LABEL, 1)

    @property
    def of_target(self) -> str:
        """Text for messages: `` of target NAME``, or an empty string for the default label."""
        return "" if self.is_default else f" of target {self.name!r}"

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values for a model's configuration; ``Target(**value)`` is the inverse."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["calibration"] = None if self.calibration is None else self.calibration.to_dict()
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
