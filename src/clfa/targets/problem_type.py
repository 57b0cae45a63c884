"""The interface of a problem type: all that differs between kinds of targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from clfa.errors import DataError, RecipeError
from clfa.targets import CLASS_WEIGHTS, METRICS
from clfa.targets.cells import UnusableCell
from clfa.targets.fields import TargetFields
from clfa.targets.label_names import LabelIndex
from clfa.targets.spec import TargetSpec
from clfa.targets.target_prediction import TargetPrediction

if TYPE_CHECKING:
    import torch

ColumnKind = Literal["text", "texts", "number"]


@dataclass(frozen=True)
class Figure:
    """How a metric is shown.

    Args:
        title: In tables and plots.
        short: In narrow tables; the title when not given.
        percent: Whether it is a fraction, shown as percent where there is room for one scale only.
        lower_is_better: Whether less is better.
    """

    title: str
    short: str = ""
    percent: bool = True
    lower_is_better: bool = False


class ProblemType(ABC):
    """How targets of one kind are read, learnt, predicted, scored and shown.

    An instance belongs to one :class:`~clfa.targets.target.Target`: ``target.kind``. N samples, ``width`` elements of a
    label, ``logit_width`` outputs of the classifier; NaN marks a missing label.

    Args:
        target: Whose kind it is.

    Attributes:
        name: In :data:`clfa.targets.PROBLEM_TYPES`, in recipes and in configurations.
        transformers_name: The ``problem_type`` of a Transformers configuration; ``None`` where Transformers has none.
        has_classes: Whether such targets have class names.
        one_class: Whether a label is the index of one class.
        column_per_class: Whether a table may hold a column for each class.
        has_thresholds: Whether thresholds can be chosen on the validation split.
        column_kind: What a table's column of labels or predictions holds: ``text``, ``texts`` (a list) or ``number``.
        figures: Every metric that is a single figure, by its key in a report.
        shown: Keys of those that short tables show.
        headline: Key of the metric that counts for the score.
        plot_name: First part of the plot's file name.
    """

    name: ClassVar[str]
    transformers_name: ClassVar[str | None] = None
    has_classes: ClassVar[bool] = True
    one_class: ClassVar[bool] = False
    column_per_class: ClassVar[bool] = False
    has_thresholds: ClassVar[bool] = False
    column_kind: ClassVar[ColumnKind] = "text"
    figures: ClassVar[Mapping[str, Figure]]
    shown: ClassVar[tuple[str, ...]]
    headline: ClassVar[str]
    plot_name: ClassVar[str]

    def __init__(self, target: TargetFields) -> None:
        self.target = target

    # What a target of this kind is.

    @classmethod
    @abstractmethod
    def check_spec(cls, spec: TargetSpec) -> None:
        """Check what a recipe says about a target of this kind.

        Raises:
            ValueError: Saying what cannot be.
        """

    def check(self) -> None:
        """Check the target's fields.

        Raises:
            DataError: Saying what cannot be.
        """
        if not self.target.label_names:
            raise DataError(f"target {self.target.name!r} has no classes; name them with label_names")

    @property
    def width(self) -> int:
        """Elements of a sample's label."""
        return 1

    @property
    def logit_names(self) -> list[str]:
        """A name for every output of the classifier; an empty one where the target's own says it all."""
        return list(self.target.label_names)

    # Reading.

    @classmethod
    def items(cls, cell: Any, spec: TargetSpec) -> Iterable[Any]:
        """The classes that a cell names, for finding out which there are."""
        return [cell]

    @abstractmethod
    def decode(self, cells: Sequence[Any], spec: TargetSpec, classes: LabelIndex | None) -> list[float]:
        """A label from the cells of one row.

        Args:
            cells: One; with ``spec.columns`` one for each class.
            spec: Where the table holds the target.
            classes: Finds the index of a class; ``None`` where there is nothing to find.

        Returns:
            ``width`` numbers, all NaN where the label is missing.

        Raises:
            UnusableCell: A cell that is no label of this target.
        """

    def faults(self, values: np.ndarray) -> dict[int, str]:
        """Labels that cannot be, by position, and why.

        Args:
            values: Labels (N, ``width``), none missing.
        """
        return {}

    @abstractmethod
    def describe(self, values: np.ndarray) -> Any:
        """A label that is not missing in words: class name, list of class names or number.

        Args:
            values: The label (``width``,).
        """

    # Learning.

    @abstractmethod
    def counts(self, values: np.ndarray) -> dict[str, int]:
        """Samples by class; of a target without classes by what it holds.

        Args:
            values: Labels (N, ``width``), none missing.
        """

    def obstacle(self, values: np.ndarray, split: str) -> str | None:
        """Why the target cannot be learnt from a split, or scored on it; ``None`` where it can.

        Args:
            values: Labels (N, ``width``), none missing, N > 0.
            split: Name of the split.
        """
        absent = [name for name, count in self.counts(values).items() if not count]
        if not absent:
            return None
        advice = "; add some, or leave the class out of label_names" if split == "train" else ""
        what = "training" if split == "train" else split
        return f"no {what} sample of class {', '.join(map(repr, absent))}{self.target.of_target}{advice}"

    def fit(self, values: np.ndarray, class_weights: Any) -> dict[str, Any]:
        """What the target takes from the training split: the fields that change.

        Args:
            values: Labels of the training split (N, ``width``), none missing, N > 0.
            class_weights: ``none``, a name in :data:`clfa.targets.CLASS_WEIGHTS` or a mapping of classes to weights.

        Raises:
            RecipeError: Class weights for a class that does not exist, or that are not positive numbers.
        """
        return {"class_weights": self._class_weights(values, class_weights)}

    def _class_weights(self, values: np.ndarray, wanted: Any) -> tuple[float, ...] | None:
        if wanted is None or wanted == "none":
            return None
        if isinstance(wanted, str) and wanted in CLASS_WEIGHTS:
            weights: tuple[float, ...] = CLASS_WEIGHTS.get(wanted)(self, values)
            return weights
        where, names = f"training.class_weights{self.target.of_target}", self.target.label_names
        if not isinstance(wanted, Mapping):
            schemes = ", ".join(CLASS_WEIGHTS.names())
            raise RecipeError(f"{where}: {wanted!r} is not none, {schemes} or a mapping of classes to weights.")
        unknown = sorted(map(str, set(wanted) - set(names)))
        if unknown:
            raise RecipeError(f"{where}: there is no class {unknown[0]!r}; classes: {', '.join(names)}.")
        for name, weight in wanted.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
                raise RecipeError(f"{where}: the weight of {name!r} is {weight!r}; it must be a number above 0.")
        return tuple(float(wanted.get(name, 1.0)) for name in names)

    def balanced_weights(self, values: np.ndarray) -> tuple[float, ...]:
        """Weights under which all classes count alike.

        Args:
            values: Labels (N, ``width``), none missing, every class among them.
        """
        raise NotImplementedError

    @abstractmethod
    def loss(
        self, logits: torch.Tensor, values: torch.Tensor, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """Loss of N samples, scalar.

        Args:
            logits: Outputs (N, ``logit_width``), N > 0.
            values: Labels (N, ``width``), none missing, of the same type.
            focal_gamma: Focus on what is not yet predicted well; 0: none.
            label_smoothing: Share of a label that is spread over the classes.
        """

    @abstractmethod
    def groups(self, values: np.ndarray) -> list[int]:
        """Groups whose shares a draw keeps.

        Args:
            values: Labels (N, ``width``), none missing.

        Returns:
            A number for each sample.
        """

    # Predicting.

    def probabilities(self, logits: np.ndarray) -> np.ndarray | None:
        """Probabilities of the classes (N, C) float64; ``None`` for a target without classes.

        Args:
            logits: Outputs (N, ``logit_width``).
        """
        return None

    @abstractmethod
    def values(self, logits: np.ndarray) -> np.ndarray:
        """Predictions in the form of labels (N, ``width``) float64.

        Args:
            logits: Outputs (N, ``logit_width``).
        """

    def predictions(self, logits: np.ndarray) -> list[TargetPrediction]:
        """Predictions of N posts in words, with probabilities by class name.

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
        """What is chosen on the validation split, thresholds for instance: the fields that change.

        Args:
            labels: Of the validation split (N, ``width``), NaN where missing.
            logits: Outputs (N, ``logit_width``).
        """
        return {}

    # Scoring.

    def report(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """Everything about the target on the samples that have a label for it.

        Args:
            labels: (N, ``width``), NaN where missing.
            logits: (N, ``logit_width``).

        Returns:
            ``problem_type``, ``samples`` and, where there is a sample, :meth:`metrics` and the figures of
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
        """Metrics: the keys of :attr:`figures` (``None`` where one is not defined) and further details.

        Args:
            labels: (N, ``width``), none missing, N > 0.
            logits: (N, ``logit_width``).
        """

    @abstractmethod
    def plot(self, labels: np.ndarray, logits: np.ndarray, report: Mapping[str, Any], path: Path, title: str) -> None:
        """Draw the target's picture of a split.

        Args:
            labels: (N, ``width``), none missing, N > 0.
            logits: (N, ``logit_width``).
            report: From :meth:`report`.
            path: PNG file to write.
            title: Above the plot.
        """


def class_index(classes: LabelIndex, value: Any) -> int | None:
    """Index of a class, ``None`` where a cell is empty.

    Raises:
        UnusableCell: None of the classes.
    """
    try:
        return classes.of(value)
    except KeyError as error:
        known = ", ".join(classes.names)
        raise UnusableCell("unknown label", f"{error.args[0]!r} is none of {known}") from None
