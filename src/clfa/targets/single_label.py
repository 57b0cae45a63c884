"""Problem type: one class per sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from clfa.targets.focal import focal_factor
from clfa.targets.label_names import LabelIndex
from clfa.targets.plots import plot_confusion_matrix
from clfa.targets.probabilities import log_probabilities, softmax
from clfa.targets.problem_type import Figure, ProblemType, class_index
from clfa.targets.set_methods import SET_METHODS
from clfa.targets.spec import TargetSpec

if TYPE_CHECKING:
    import torch


class SingleLabel(ProblemType):
    """Single-label classification: a class index, with cross-entropy or focal loss and a confusion matrix."""

    name: ClassVar[str] = "single_label_classification"
    transformers_name: ClassVar[str | None] = "single_label_classification"
    linear_logits: ClassVar[bool] = True
    has_temperature: ClassVar[bool] = True
    one_class: ClassVar[bool] = True
    figures: ClassVar[Mapping[str, Figure]] = {
        "accuracy": Figure("accuracy"),
        "macro_f1": Figure("macro-F1"),
        "weighted_f1": Figure("weighted F1"),
        "binary_f1": Figure("F1 of the second class"),
        "precision": Figure("precision"),
        "recall": Figure("recall"),
    }
    shown: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1")
    headline: ClassVar[str] = "macro_f1"
    plot_name: ClassVar[str] = "confusion"

    @classmethod
    def check_spec(cls, spec: TargetSpec) -> None:
        """See :meth:`ProblemType.check_spec`."""
        if spec.label_names is not None and len(spec.label_names) < 2:
            raise ValueError("a single-label target needs at least two classes in label_names")

    def decode(self, cells: Sequence[Any], spec: TargetSpec, classes: LabelIndex | None) -> list[float]:
        """See :meth:`ProblemType.decode`."""
        assert classes is not None
        index = class_index(classes, cells[0])
        return [math.nan if index is None else float(index)]

    def faults(self, values: np.ndarray) -> dict[int, str]:
        """See :meth:`ProblemType.faults`: a value that is not a class index."""
        size, indices = len(self.target.label_names), values[:, 0]
        unknown = np.flatnonzero(~((indices >= 0) & (indices < size) & (indices == np.floor(indices))))
        return {int(row): f"label {indices[row]:g} is not one of {size} classes" for row in unknown}

    def describe(self, values: np.ndarray) -> Any:
        """See :meth:`ProblemType.describe`."""
        return self.target.labels[int(values[0])]

    def counts(self, values: np.ndarray) -> dict[str, int]:
        """See :meth:`ProblemType.counts`."""
        names = self.target.label_names
        found = np.bincount(values[:, 0].astype(int), minlength=len(names))
        return {name: int(count) for name, count in zip(names, found, strict=True)}

    def obstacle(self, values: np.ndarray, split: str) -> str | None:
        """See :meth:`ProblemType.obstacle`."""
        names = self.target.label_names
        if len(names) < 2:
            return f"target {self.target.name!r} has only one class, {names[0]!r}; there is nothing to learn"
        return super().obstacle(values, split)

    def balanced_weights(self, values: np.ndarray) -> tuple[float, ...]:
        """See :meth:`ProblemType.balanced_weights`; as scikit-learn's ``balanced``: ``N / (C * count)``."""
        from sklearn.utils.class_weight import compute_class_weight

        classes = np.arange(len(self.target.label_names))
        return tuple(float(w) for w in compute_class_weight("balanced", classes=classes, y=values[:, 0].astype(int)))

    def loss(
        self, logits: torch.Tensor, values: torch.Tensor, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """See :meth:`ProblemType.loss` and :func:`single_label_loss`."""
        weights = self.target.class_weights
        tensor = None if weights is None else logits.new_tensor(weights)
        return single_label_loss(logits, values[:, 0].long(), tensor, focal_gamma, label_smoothing)

    def groups(self, values: np.ndarray) -> list[int]:
        """See :meth:`ProblemType.groups`: the class."""
        return [int(value) for value in values[:, 0]]

    def probabilities(self, logits: np.ndarray) -> np.ndarray | None:
        """See :meth:`ProblemType.probabilities`; the probabilities of a row add up to 1."""
        return softmax(self.warmed(logits))

    def values(self, logits: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.values`: the most probable class."""
        return logits.argmax(axis=-1)[:, None].astype(np.float64)

    @property
    def set_methods(self) -> tuple[str, ...]:
        """See :attr:`ProblemType.set_methods`."""
        return tuple(SET_METHODS.names())

    def nonconformity(self, labels: np.ndarray, logits: np.ndarray, method: str) -> np.ndarray:
        """See :meth:`ProblemType.nonconformity`: that of the class."""
        scores = self._scores(logits, method)
        return scores[np.arange(len(scores)), labels[:, 0].astype(int)]

    def prediction_sets(self, logits: np.ndarray, method: str, limit: float) -> list[Any]:
        """See :meth:`ProblemType.prediction_sets`; the predicted class is always in it, which only widens a set."""
        inside = self._scores(logits, method) <= limit
        inside[np.arange(len(inside)), self.values(logits)[:, 0].astype(int)] = True
        return [[label for label, has in zip(self.target.labels, row, strict=True) if has] for row in inside]

    def _scores(self, logits: np.ndarray, method: str) -> np.ndarray:
        table = self.probabilities(logits)
        assert table is not None
        found: np.ndarray = SET_METHODS.get(method)(table)
        return found

    def logits_of(self, estimates: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.logits_of`: log-probabilities."""
        return log_probabilities(estimates)

    def metrics(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """See :meth:`ProblemType.metrics` and :func:`classification_report`."""
        found = self.values(logits)
        return classification_report(labels[:, 0].astype(int), found[:, 0].astype(int), [*self.target.label_names])

    def plot(self, labels: np.ndarray, logits: np.ndarray, report: Mapping[str, Any], path: Path, title: str) -> None:
        """See :meth:`ProblemType.plot`: the confusion matrix."""
        plot_confusion_matrix(report["confusion_matrix"], list(self.target.label_names), path, title)


def single_label_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    class_weights: torch.Tensor | None = None,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Return the cross-entropy with class weights, focal modulation and label smoothing.

    With smoothed one-hot labels q, class weights w and labels y, the loss is
    ``sum_nc q_nc w_c (1 - p_nc)^gamma (-log p_nc) / sum_n w_y(n)``. Without smoothing it is the weighted mean of the
    alpha-balanced focal loss (Lin et al. 2017, arXiv:1708.02002, equation 5); with gamma 0 it is PyTorch's weighted
    cross-entropy.

    Args:
        logits: Class scores (N, C), N >= 1.
        labels: Class indices (N,).
        class_weights: Weight of each class (C,); ``None``: all 1.
        gamma: Focusing parameter; larger values reduce the loss of well classified samples more, 0 means no modulation.
        label_smoothing: Share of the label spread evenly over all classes.

    Returns:
        Scalar.
    """
    from torch.nn import functional as F

    if not gamma:
        return F.cross_entropy(logits, labels, class_weights, label_smoothing=label_smoothing)
    log_p = logits.log_softmax(dim=-1)
    classes = logits.shape[-1]
    q = F.one_hot(labels, classes).to(log_p.dtype) * (1 - label_smoothing) + label_smoothing / classes
    weights = logits.new_ones(classes) if class_weights is None else class_weights
    terms = q * weights * focal_factor(log_p.exp(), gamma) * -log_p
    return terms.sum() / weights[labels].sum()


def classification_metrics(labels: np.ndarray, predictions: np.ndarray, num_labels: int) -> dict[str, float]:
    """Return accuracy and F1 scores, as fractions.

    Args:
        labels: True class indices (N,).
        predictions: Predicted class indices (N,).
        num_labels: Number of classes C; averages include all of them.

    Returns:
        ``accuracy``, ``macro_f1``, ``weighted_f1`` and, with two classes, ``binary_f1``, ``precision`` and ``recall``
        of class 1 (the sarcastic class in MMSD, as published tables report it).
    """
    return _metrics_and_classes(labels, predictions, num_labels)[0]


def classification_report(labels: np.ndarray, predictions: np.ndarray, label_names: list[str]) -> dict[str, Any]:
    """Return :func:`classification_metrics`, support and metrics by class, and the confusion matrix (rows: true)."""
    from sklearn.metrics import confusion_matrix

    indices = list(range(len(label_names)))
    metrics, classes = _metrics_and_classes(labels, predictions, len(label_names))
    return {
        "samples": len(labels),
        **metrics,
        "classes": dict(zip(label_names, classes, strict=True)),
        "confusion_matrix": confusion_matrix(labels, predictions, labels=indices).tolist(),
    }


def _metrics_and_classes(
    labels: np.ndarray, predictions: np.ndarray, num_labels: int
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Return :func:`classification_metrics`, and precision, recall, F1 and support of each class."""
    # Imported here, because prediction does not need it.
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    # Once for all figures: its checks take longer than the counting.
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=list(range(num_labels)), average=None, zero_division=0
    )
    metrics = {
        "accuracy": float(accuracy_score(labels, predictions)),
        "macro_f1": float(f1.mean()),
        "weighted_f1": float(np.average(f1, weights=support)),
    }
    if num_labels == 2:
        metrics |= {"binary_f1": float(f1[1]), "precision": float(precision[1]), "recall": float(recall[1])}
    table = zip(precision, recall, f1, support, strict=True)
    return metrics, [
        {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(count)} for p, r, f, count in table
    ]
