"""Problem type: any number of classes per sample."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from clfa.tables.missing import is_missing
from clfa.targets.cells import UnusableCell, labels_in
from clfa.targets.focal import focal_factor
from clfa.targets.label_names import LabelIndex
from clfa.targets.label_types import label_text
from clfa.targets.plots import plot_class_f1
from clfa.targets.probabilities import log_odds, sigmoid
from clfa.targets.problem_type import ColumnKind, Figure, ProblemType, class_index
from clfa.targets.spec import TargetSpec

if TYPE_CHECKING:
    import torch

THRESHOLD = 0.5
_ZERO_ONE = {"0": 0.0, "1": 1.0, "false": 0.0, "true": 1.0, "no": 0.0, "yes": 1.0}


class MultiLabel(ProblemType):
    """Multi-label classification: 0 or 1 for each class, with binary cross-entropy, thresholds and F1 by class."""

    name: ClassVar[str] = "multi_label_classification"
    transformers_name: ClassVar[str | None] = "multi_label_classification"
    linear_logits: ClassVar[bool] = True
    has_temperature: ClassVar[bool] = True
    column_per_class: ClassVar[bool] = True
    has_thresholds: ClassVar[bool] = True
    column_kind: ClassVar[ColumnKind] = "texts"
    figures: ClassVar[Mapping[str, Figure]] = {
        "micro_f1": Figure("micro-F1"),
        "macro_f1": Figure("macro-F1"),
        "weighted_f1": Figure("weighted F1"),
        "subset_accuracy": Figure("subset accuracy"),
        "hamming_loss": Figure("hamming loss", lower_is_better=True),
        "mean_average_precision": Figure("mean average precision", short="mAP"),
    }
    shown: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "mean_average_precision")
    headline: ClassVar[str] = "macro_f1"
    plot_name: ClassVar[str] = "f1"

    @classmethod
    def check_spec(cls, spec: TargetSpec) -> None:
        """See :meth:`ProblemType.check_spec`; there is nothing to check."""

    @property
    def width(self) -> int:
        """See :attr:`ProblemType.width`."""
        return len(self.target.label_names)

    @classmethod
    def items(cls, cell: Any, spec: TargetSpec) -> Iterable[Any]:
        """See :meth:`ProblemType.items`."""
        if is_missing(cell):
            return [cell]
        if (listed := labels_in(cell)) is not None:
            return [item for item in listed if not is_missing(item)]
        if isinstance(cell, str):
            return [part.strip() for part in cell.split(spec.delimiter) if part.strip()]
        return [cell]

    def decode(self, cells: Sequence[Any], spec: TargetSpec, classes: LabelIndex | None) -> list[float]:
        """See :meth:`ProblemType.decode`."""
        if spec.columns is not None:
            return self._indicators(cells, spec.columns, spec.empty_is_none)
        assert classes is not None
        if is_missing(cells[0]):
            return [0.0 if spec.empty_is_none else math.nan] * self.width
        found = {class_index(classes, item) for item in self.items(cells[0], spec)}
        return [float(index in found) for index in range(self.width)]

    def _indicators(self, cells: Sequence[Any], columns: Mapping[str, str], empty_is_none: bool) -> list[float]:
        missing = [is_missing(cell) for cell in cells]
        if all(missing) and not empty_is_none:
            return [math.nan] * self.width
        values: dict[str, float] = {}
        for (label, column), cell, empty in zip(columns.items(), cells, missing, strict=True):
            if empty and empty_is_none:
                values[label] = 0.0
                continue
            value = _ZERO_ONE.get(label_text(cell).lower())
            if value is None:
                hint = "is empty, but other columns are not" if empty else f"holds {cell!r}, neither 0 nor 1"
                raise UnusableCell("unknown label", f"column {column!r} {hint}")
            values[label] = value
        return [values[label] for label in self.target.label_names]

    def describe(self, values: np.ndarray) -> list[Any]:
        """See :meth:`ProblemType.describe`."""
        return [label for label, value in zip(self.target.labels, values, strict=True) if value]

    def counts(self, values: np.ndarray) -> dict[str, int]:
        """See :meth:`ProblemType.counts`: positives by class."""
        return {name: int(n) for name, n in zip(self.target.label_names, values.sum(axis=0), strict=True)}

    def balanced_weights(self, values: np.ndarray) -> tuple[float, ...]:
        """See :meth:`ProblemType.balanced_weights`: number of negatives / number of positives of each class."""
        positives = values.sum(axis=0)
        # A class of every sample would have weight 0 and would not be learnt.
        return tuple(float(w) for w in np.maximum(len(values) - positives, 1) / positives)

    def loss(
        self, logits: torch.Tensor, values: torch.Tensor, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """See :meth:`ProblemType.loss` and :func:`multi_label_loss`."""
        weights = self.target.class_weights
        tensor = None if weights is None else logits.new_tensor(weights)
        return multi_label_loss(logits, values, tensor, focal_gamma, label_smoothing)

    def groups(self, values: np.ndarray) -> list[int]:
        """See :meth:`ProblemType.groups`: the rarest class of the sample, or -1 without a class."""
        counts = values.sum(axis=0)
        present = [np.flatnonzero(row) for row in values]
        return [int(own[np.argmin(counts[own])]) if len(own) else -1 for own in present]

    def probabilities(self, logits: np.ndarray) -> np.ndarray | None:
        """See :meth:`ProblemType.probabilities`; the probabilities of a row do not add up to 1."""
        return sigmoid(self.warmed(logits))

    def values(self, logits: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.values`: each class whose probability is at least its threshold."""
        thresholds = np.array(self.target.thresholds or [THRESHOLD] * len(self.target.label_names))
        return (sigmoid(self.warmed(logits)) >= thresholds).astype(np.float64)

    def confidence(self, logits: np.ndarray) -> np.ndarray | None:
        """See :meth:`ProblemType.confidence`: the probability of all decisions together, as if independent."""
        probabilities, decided = sigmoid(self.warmed(logits)), self.values(logits)
        return np.where(decided > 0, probabilities, 1 - probabilities).prod(axis=1)

    @property
    def set_methods(self) -> tuple[str, ...]:
        """See :attr:`ProblemType.set_methods`."""
        return ("lac",)

    def nonconformity(self, labels: np.ndarray, logits: np.ndarray, method: str) -> np.ndarray:
        """See :meth:`ProblemType.nonconformity`: that of the class that fits least; 0 without a class.

        A prediction set therefore holds all classes of a post with the chosen probability.
        """
        return np.where(labels > 0, 1 - sigmoid(self.warmed(logits)), 0.0).max(axis=1)

    def prediction_sets(self, logits: np.ndarray, method: str, limit: float) -> list[Any]:
        """See :meth:`ProblemType.prediction_sets`; the predicted classes are always in it."""
        inside = (1 - sigmoid(self.warmed(logits)) <= limit) | (self.values(logits) > 0)
        return [self.describe(row) for row in inside]

    def logits_of(self, estimates: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.logits_of`: log-odds."""
        return log_odds(estimates)

    def tune(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """See :meth:`ProblemType.tune` and :func:`best_thresholds`."""
        return {"thresholds": tuple(best_thresholds(labels, sigmoid(self.warmed(logits))))}

    def metrics(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """See :meth:`ProblemType.metrics`.

        ``mean_average_precision`` is the mean over the classes with a positive. Further keys are ``thresholds`` and
        ``classes``: precision, recall, F1, average precision and support by class.
        """
        from sklearn.metrics import (
            accuracy_score,
            average_precision_score,
            hamming_loss,
            precision_recall_fscore_support,
        )

        labels, values, probabilities = labels.astype(int), self.values(logits).astype(int), sigmoid(logits)
        precision, recall, f1, support = precision_recall_fscore_support(labels, values, average=None, zero_division=0)
        # Average precision is not defined without a positive.
        ranked = [
            float(average_precision_score(labels[:, i], probabilities[:, i])) if support[i] else None
            for i in range(labels.shape[1])
        ]
        known = [value for value in ranked if value is not None]
        return {
            **{f"{kind}_f1": _f1(labels, values, kind) for kind in ("micro", "macro", "weighted")},
            "subset_accuracy": float(accuracy_score(labels, values)),
            "hamming_loss": float(hamming_loss(labels, values)),
            "mean_average_precision": float(np.mean(known)) if known else None,
            "thresholds": None if self.target.thresholds is None else list(self.target.thresholds),
            "classes": {
                name: {
                    "precision": float(precision[i]),
                    "recall": float(recall[i]),
                    "f1": float(f1[i]),
                    "average_precision": ranked[i],
                    "support": int(support[i]),
                }
                for i, name in enumerate(self.target.label_names)
            },
        }

    def plot(self, labels: np.ndarray, logits: np.ndarray, report: Mapping[str, Any], path: Path, title: str) -> None:
        """See :meth:`ProblemType.plot`: F1 by class."""
        plot_class_f1(report["classes"], path, title)


def _f1(labels: np.ndarray, values: np.ndarray, average: str) -> float:
    from sklearn.metrics import f1_score

    if labels.shape[1] == 1:
        # scikit-learn treats a single column as two classes, 0 and 1.
        return float(f1_score(labels[:, 0], values[:, 0], zero_division=0))
    return float(f1_score(labels, values, average=average, zero_division=0))


def multi_label_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    positive_weights: torch.Tensor | None = None,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Return the mean binary cross-entropy over samples and classes, with weighted positives and focal modulation.

    The loss of a positive is ``w_c (1 - p)^gamma (-log p)``, of a negative ``p^gamma (-log (1 - p))`` (Lin et al. 2017,
    arXiv:1708.02002, equation 5, with a weight on positives only). With gamma 0 it equals PyTorch's
    ``binary_cross_entropy_with_logits`` with ``pos_weight``.

    Args:
        logits: Class scores (N, C), N >= 1.
        labels: 1 if the sample has the class, else 0 (N, C).
        positive_weights: Weight of the positives of each class (C,); ``None``: all 1.
        gamma: Focusing parameter; larger values reduce the loss of correct decisions more, 0 means no modulation.
        label_smoothing: Labels become ``label * (1 - smoothing) + smoothing / 2``.

    Returns:
        Scalar.
    """
    from torch.nn import functional as F

    q = labels * (1 - label_smoothing) + label_smoothing / 2 if label_smoothing else labels
    if not gamma:
        return F.binary_cross_entropy_with_logits(logits, q, pos_weight=positive_weights)
    weights = logits.new_ones(logits.shape[-1]) if positive_weights is None else positive_weights
    p = logits.sigmoid()
    positive = weights * q * focal_factor(p, gamma) * -F.logsigmoid(logits)
    negative = (1 - q) * focal_factor(1 - p, gamma) * -F.logsigmoid(-logits)
    return (positive + negative).mean()


def best_thresholds(labels: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """Return the threshold with the best F1 for each class.

    A threshold is the mean of the lowest probability above it and the next lower probability. Among equally good
    thresholds, the nearest to 0.5 is chosen. The threshold is 0.5 for a class without a positive, and if no other
    threshold has a better F1.

    Args:
        labels: 0 or 1 (N, C), N >= 1; rows with NaN have no label and are ignored.
        probabilities: (N, C).

    Returns:
        C thresholds. A class is predicted if its probability is at least the threshold.
    """
    present = ~np.isnan(labels).any(axis=1)
    return [_best(labels[present, c].astype(int), probabilities[present, c]) for c in range(labels.shape[1])]


def _best(labels: np.ndarray, probabilities: np.ndarray) -> float:
    from sklearn.metrics import precision_recall_curve

    if not labels.any():
        return THRESHOLD
    precision, recall, cuts = precision_recall_curve(labels, probabilities)
    # The last point of the curve (no predictions) has no threshold.
    f1 = 2 * precision[:-1] * recall[:-1] / np.maximum(precision[:-1] + recall[:-1], 1e-12)
    plain = probabilities >= THRESHOLD
    hits = int((plain & (labels == 1)).sum())
    if 2 * hits / (int(plain.sum()) + int(labels.sum())) >= f1.max() - 1e-12:
        return THRESHOLD
    below = np.concatenate([[0.0], cuts[:-1]])
    middles = (cuts + below) / 2
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return float(min(middles[best], key=lambda threshold: abs(threshold - THRESHOLD)))
