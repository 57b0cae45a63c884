"""The interface of a problem type."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from clfa.errors import DataError, RecipeError
from clfa.nearest import did_you_mean
from clfa.targets import CLASS_WEIGHTS, METRICS
from clfa.targets.cells import UnusableCell
from clfa.targets.fields import TargetFields
from clfa.targets.label_names import LabelIndex
from clfa.targets.spec import TargetSpec
from clfa.targets.target_prediction import TargetPrediction

if TYPE_CHECKING:
    import torch

ColumnKind = Literal["text", "texts", "number"]


# Number of absent classes in a message.
_SHOWN = 5


@dataclass(frozen=True)
class Figure:
    """Display of a metric.

    Args:
        title: Title in tables and plots.
        short: Title in narrow tables; ``title`` by default.
        percent: Whether the metric is a fraction that can be shown in percent.
        lower_is_better: Whether lower values are better.
    """

    title: str
    short: str = ""
    percent: bool = True
    lower_is_better: bool = False


class ProblemType(ABC):
    """Reading, training, prediction, metrics and plots of one kind of target.

    An instance belongs to one :class:`~clfa.targets.target.Target`: ``target.kind``. In the shapes below, N is the
    number of samples, ``width`` the number of elements of a label, and ``logit_width`` the number of classifier outputs
    of the target. NaN marks a missing label.

    Args:
        target: The target of this instance.

    Attributes:
        name: Name in :data:`clfa.targets.PROBLEM_TYPES`, in recipes and in configurations.
        transformers_name: The ``problem_type`` of a Transformers configuration; ``None`` if Transformers has none.
        has_classes: Whether such targets have class names.
        one_class: Whether a label is the index of one class.
        column_per_class: Whether a table may have one column per class.
        linear_logits: Whether :meth:`logits_of` of a linear model's estimates are linear again, up to a constant per
            row, so that linear models can be part of a blend.
        has_thresholds: Whether thresholds can be chosen on the validation split.
        has_temperature: Whether a temperature calibrates the probabilities: outputs that are divided by the same number
            give other probabilities.
        column_kind: Type of a column of labels or predictions: ``text``, ``texts`` (a list) or ``number``.
        figures: The metrics that are single figures, by key in a report.
        shown: Keys of the metrics in short tables.
        headline: Key of the metric that is used for the score.
        plot_name: First part of the plot's file name.
    """

    name: ClassVar[str]
    transformers_name: ClassVar[str | None] = None
    has_classes: ClassVar[bool] = True
    one_class: ClassVar[bool] = False
    column_per_class: ClassVar[bool] = False
    linear_logits: ClassVar[bool] = False
    has_thresholds: ClassVar[bool] = False
    has_temperature: ClassVar[bool] = False
    column_kind: ClassVar[ColumnKind] = "text"
    figures: ClassVar[Mapping[str, Figure]]
    shown: ClassVar[tuple[str, ...]]
    headline: ClassVar[str]
    plot_name: ClassVar[str]

    def __init__(self, target: TargetFields) -> None:
        self.target = target

    # Definition.

    @classmethod
    @abstractmethod
    def check_spec(cls, spec: TargetSpec) -> None:
        """Check a recipe's specification of a target of this kind.

        Raises:
            ValueError: If the specification is not valid.
        """

    def check(self) -> None:
        """Check the target's fields.

        Raises:
            DataError: If a field is not valid.
        """
        if not self.target.label_names:
            raise DataError(f"target {self.target.name!r} has no classes; name them with label_names")

    @property
    def width(self) -> int:
        """Number of elements of a sample's label."""
        return 1

    @property
    def logit_names(self) -> list[str]:
        """Name of each classifier output; an empty name stands for the target's name."""
        return list(self.target.label_names)

    # Reading.

    @classmethod
    def items(cls, cell: Any, spec: TargetSpec) -> Iterable[Any]:
        """Return the classes in a cell, to collect all classes of the data."""
        return [cell]

    @abstractmethod
    def decode(self, cells: Sequence[Any], spec: TargetSpec, classes: LabelIndex | None) -> list[float]:
        """Convert the cells of one row to a label.

        Args:
            cells: One cell, or one cell per class with ``spec.columns``.
            spec: Columns of the target.
            classes: Index of each class; ``None`` for a target that does not need it.

        Returns:
            ``width`` numbers, all NaN if the label is missing.

        Raises:
            UnusableCell: If a cell is not a label of this target.
        """

    def faults(self, values: np.ndarray) -> dict[int, str]:
        """Return the reasons why labels are not valid, by position.

        Args:
            values: Labels (N, ``width``), without missing labels.
        """
        return {}

    @abstractmethod
    def describe(self, values: np.ndarray) -> Any:
        """Convert a label to a class, a list of classes or a number; classes in the type of the training table.

        Args:
            values: The label (``width``,), not missing.
        """

    # Training.

    @abstractmethod
    def counts(self, values: np.ndarray) -> dict[str, int]:
        """Return the number of samples by class, or under one key for a target without classes.

        Args:
            values: Labels (N, ``width``), without missing labels.
        """

    def obstacle(self, values: np.ndarray, split: str) -> str | None:
        """Return why the target cannot be learnt from a split, or scored on it; ``None`` if it can.

        Args:
            values: Labels (N, ``width``), without missing labels, N > 0.
            split: Name of the split.
        """
        absent = [name for name, count in self.counts(values).items() if not count]
        if not absent:
            return None
        advice = "; add some, or leave it out by label_names with the other classes" if split == "train" else ""
        what = "training" if split == "train" else split
        shown = ", ".join(map(repr, absent[:_SHOWN])) + (f", ... ({len(absent)} classes)" if absent[_SHOWN:] else "")
        return f"no {what} sample of class {shown}{self.target.of_target}{advice}"

    def fit(self, values: np.ndarray, class_weights: Any) -> dict[str, Any]:
        """Return the target fields that depend on the training split.

        Args:
            values: Labels of the training split (N, ``width``), without missing labels, N > 0.
            class_weights: ``none``, a name in :data:`clfa.targets.CLASS_WEIGHTS` or a mapping of classes to weights.

        Raises:
            RecipeError: If class weights name an unknown class, or are not positive numbers.
        """
        return {"class_weights": self._class_weights(values, class_weights)}

    def _class_weights(self, values: np.ndarray, wanted: Any) -> tuple[float, ...] | None:
        if wanted is None or wanted == "none":
            return None
        if isinstance(wanted, str) and wanted in CLASS_WEIGHTS:
            return CLASS_WEIGHTS.get(wanted)(self, values)
        where, names = f"training.class_weights{self.target.of_target}", self.target.label_names
        if not isinstance(wanted, Mapping):
            schemes = ", ".join(CLASS_WEIGHTS.names())
            raise RecipeError(f"{where}: {wanted!r} is not none, {schemes} or a mapping of classes to weights.")
        unknown = sorted(map(str, set(wanted) - set(names)))
        if unknown:
            hint = did_you_mean(unknown[0], names)
            raise RecipeError(f"{where}: there is no class {unknown[0]!r}; classes: {', '.join(names)}.{hint}")
        for name, weight in wanted.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1e6:
                raise RecipeError(
                    f"{where}: the weight of {name!r} is {weight!r}; it must be a number above 0, at most 1e6."
                )
        return tuple(float(wanted.get(name, 1.0)) for name in names)

    def balanced_weights(self, values: np.ndarray) -> tuple[float, ...]:
        """Return weights that give all classes the same influence.

        Args:
            values: Labels (N, ``width``), without missing labels; each class occurs.
        """
        raise NotImplementedError

    @abstractmethod
    def loss(
        self, logits: torch.Tensor, values: torch.Tensor, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """Return the loss of N samples, a scalar.

        Args:
            logits: Outputs (N, ``logit_width``), N > 0.
            values: Labels (N, ``width``), without missing labels, with the dtype of ``logits``.
            focal_gamma: Focusing parameter of the focal loss; 0 for none.
            label_smoothing: Share of a label that is spread over the classes.
        """

    @abstractmethod
    def groups(self, values: np.ndarray) -> list[int]:
        """Return the group of each sample, for stratified sampling.

        Args:
            values: Labels (N, ``width``), without missing labels.

        Returns:
            One group number per sample.
        """

    # Prediction.

    @property
    def set_methods(self) -> tuple[str, ...]:
        """Names of the methods of prediction sets; none by default."""
        return ()

    def warmed(self, logits: np.ndarray) -> np.ndarray:
        """Return outputs (N, ``logit_width``) float64, divided by the temperature of the target."""
        found = self.target.calibration
        return logits.astype(np.float64) / (1.0 if found is None else found.temperature)

    def confidence(self, logits: np.ndarray) -> np.ndarray | None:
        """Return how sure each prediction is (N,), from 0 to 1; ``None`` for a target without classes.

        By default the probability of the predicted class.

        Args:
            logits: Outputs (N, ``logit_width``).
        """
        table = self.probabilities(logits)
        if table is None or not self.one_class:
            return None
        found: np.ndarray = np.take_along_axis(table, self.values(logits).astype(int), axis=1)[:, 0]
        return found

    def nonconformity(self, labels: np.ndarray, logits: np.ndarray, method: str) -> np.ndarray:
        """Return how little each post's label fits its prediction (N,); a prediction set holds what fits enough.

        Args:
            labels: (N, ``width``), without missing labels.
            logits: (N, ``logit_width``).
            method: One of :attr:`set_methods`.
        """
        raise NotImplementedError(f"the problem type {self.name!r} has no prediction sets")

    def prediction_sets(self, logits: np.ndarray, method: str, limit: float) -> list[Any]:
        """Return the prediction set of each post: a list of classes, or the lowest and the highest number.

        Args:
            logits: (N, ``logit_width``).
            method: One of :attr:`set_methods`.
            limit: Largest nonconformity in a set; may be infinite.
        """
        raise NotImplementedError(f"the problem type {self.name!r} has no prediction sets")

    def probabilities(self, logits: np.ndarray) -> np.ndarray | None:
        """Return the class probabilities (N, C) float64; ``None`` for a target without classes.

        They are calibrated, if the target is: those of :meth:`warmed` outputs.

        Args:
            logits: Outputs (N, ``logit_width``).
        """
        return None

    @abstractmethod
    def values(self, logits: np.ndarray) -> np.ndarray:
        """Return the predictions in the format of labels (N, ``width``) float64.

        Args:
            logits: Outputs (N, ``logit_width``).
        """

    def logits_of(self, estimates: np.ndarray) -> np.ndarray:
        """Return outputs for estimates: the inverse of :meth:`probabilities`, or of :meth:`values` without classes.

        Simple models whose estimates are not outputs (:mod:`clfa.yardsticks`) need it. A problem type without it has no
        yardsticks.

        Args:
            estimates: Class probabilities (N, C), or values (N, ``width``) for a target without classes.

        Returns:
            (N, ``logit_width``) float64.

        Raises:
            NotImplementedError: If the problem type does not have it.
        """
        raise NotImplementedError(f"the problem type {self.name!r} has no logits_of()")

    def predictions(self, logits: np.ndarray) -> list[TargetPrediction]:
        """Return the predictions for N posts, with probabilities by class name.

        Args:
            logits: Outputs (N, ``logit_width``).
        """
        table = self.probabilities(logits)
        names = self.target.label_names
        named: list[dict[str, float] | None] = (
            [None] * len(logits)
            if table is None
            else [{k: float(p) for k, p in zip(names, row, strict=True)} for row in table]
        )
        words = map(self.describe, self.values(logits))
        return [TargetPrediction(value, own) for value, own in zip(words, named, strict=True)]

    def tune(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """Return the target fields that are chosen on the validation split, for instance thresholds.

        Args:
            labels: Labels of the validation split (N, ``width``), NaN where missing.
            logits: Outputs (N, ``logit_width``).
        """
        return {}

    # Metrics.

    def report(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """Return the report of the target on the samples with a label for it.

        Args:
            labels: (N, ``width``), NaN where missing.
            logits: (N, ``logit_width``).

        Returns:
            ``problem_type`` and ``samples``; if there are samples, also :meth:`metrics` and the figures of
            :data:`clfa.targets.METRICS`.
        """
        present = ~np.isnan(labels).any(axis=1)
        labels, logits = labels[present], logits[present]
        report: dict[str, Any] = {"problem_type": self.name, "samples": len(labels)}
        if len(labels):
            report |= self.metrics(labels, logits)
            for name in METRICS.names():
                further = METRICS.get(name)(self, labels, logits)
                report |= {key: value for key, value in further.items() if key not in report}
        return report

    @abstractmethod
    def metrics(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """Return the metrics: the keys of :attr:`figures` (``None`` for an undefined metric) and further details.

        Args:
            labels: (N, ``width``), without missing labels, N > 0.
            logits: (N, ``logit_width``).
        """

    @abstractmethod
    def plot(self, labels: np.ndarray, logits: np.ndarray, report: Mapping[str, Any], path: Path, title: str) -> None:
        """Plot the predictions on a split.

        Args:
            labels: (N, ``width``), without missing labels, N > 0.
            logits: (N, ``logit_width``).
            report: From :meth:`report`.
            path: PNG file to write.
            title: Above the plot.
        """


def class_index(classes: LabelIndex, value: Any) -> int | None:
    """Return the class index of a cell, or ``None`` if the cell is empty.

    Raises:
        UnusableCell: If the cell is not one of the classes.
    """
    try:
        return classes.of(value)
    except KeyError as error:
        known = ", ".join(classes.names)
        raise UnusableCell("unknown label", f"{error.args[0]!r} is not one of {known}") from None
