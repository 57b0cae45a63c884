"""Problem type: one of several ordered grades, such as very negative, negative, neutral, positive, very positive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from clfa.errors import DataError
from clfa.targets.focal import focal_factor
from clfa.targets.probabilities import log_odds, sigmoid
from clfa.targets.problem_type import Figure
from clfa.targets.regression import Regression
from clfa.targets.single_label import SingleLabel
from clfa.targets.spec import TargetSpec

if TYPE_CHECKING:
    import torch


class Ordinal(SingleLabel):
    """Ordinal classification with CORN (Shi, Cao & Raschka 2021, arXiv:2111.08851).

    For K grades, output k is the conditional probability of a grade above k: ``sigma(x_k) = P(y > k | y >= k)``. By
    the chain rule ``P(y > k) = prod_{j <= k} sigma(x_j)``, which does not increase with k for any outputs. The
    predicted grade is the number of k with ``P(y > k) > 0.5``, the median.
    """

    name: ClassVar[str] = "ordinal"
    transformers_name: ClassVar[str | None] = None
    linear_logits: ClassVar[bool] = False
    figures: ClassVar[Mapping[str, Figure]] = {
        **SingleLabel.figures,
        "mae": Regression.figures["mae"],
        "quadratic_weighted_kappa": Figure("quadratic weighted kappa", short="kappa", percent=False),
        "spearman": Regression.figures["spearman"],
    }
    shown: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "mae", "quadratic_weighted_kappa")
    headline: ClassVar[str] = "quadratic_weighted_kappa"

    @classmethod
    def check_spec(cls, spec: TargetSpec) -> None:
        """See :meth:`ProblemType.check_spec`."""
        if spec.label_names is None:
            raise ValueError("an ordinal target needs label_names, from the lowest grade to the highest")
        if len(spec.label_names) < 2:
            raise ValueError("an ordinal target needs at least two grades in label_names")

    def check(self) -> None:
        """See :meth:`ProblemType.check`."""
        if len(self.target.label_names) < 2:
            raise DataError(f"target {self.target.name!r} is ordinal and needs at least two grades in label_names")

    @property
    def logit_names(self) -> list[str]:
        """See :attr:`ProblemType.logit_names`: K - 1 of them."""
        return [f"above {name}" for name in self.target.label_names[:-1]]

    def loss(
        self, logits: torch.Tensor, values: torch.Tensor, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """See :meth:`ProblemType.loss` and :func:`ordinal_loss`."""
        weights = self.target.class_weights
        tensor = None if weights is None else logits.new_tensor(weights)
        return ordinal_loss(logits, values[:, 0].long(), tensor, focal_gamma, label_smoothing)

    def probabilities(self, logits: np.ndarray) -> np.ndarray | None:
        """See :meth:`ProblemType.probabilities`: ``P(y = k) = P(y > k - 1) (1 - sigma(x_k))``; a row adds up to 1."""
        logits = self.warmed(logits)
        above = _above(logits)
        reached = np.concatenate([np.ones((len(logits), 1)), above[:, :-1]], axis=1)
        return np.concatenate([reached * sigmoid(-logits), above[:, -1:]], axis=1)

    def values(self, logits: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.values`: the median grade, of the outputs before calibration.

        A temperature moves the median, and calibration is to change no prediction.
        """
        return (_above(logits) > 0.5).sum(axis=1, keepdims=True).astype(np.float64)

    def logits_of(self, estimates: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.logits_of`: log-odds of ``P(y > k | y >= k)``."""
        reached = estimates.astype(np.float64)[:, ::-1].cumsum(axis=1)[:, ::-1]
        return log_odds(reached[:, 1:] / np.maximum(reached[:, :-1], 1e-12))

    def metrics(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """See :meth:`ProblemType.metrics` and :func:`grade_metrics`; includes the metrics of a single-label target."""
        grades, found = labels[:, 0].astype(int), self.values(logits)[:, 0].astype(int)
        return super().metrics(labels, logits) | grade_metrics(grades, found, len(self.target.label_names))


def _above(logits: np.ndarray) -> np.ndarray:
    """Return ``P(y > k)`` (N, K - 1) float64."""
    return np.cumprod(sigmoid(logits), axis=1)


def ordinal_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    class_weights: torch.Tensor | None = None,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Return CORN's loss with class weights, focal modulation and label smoothing.

    ``- sum_k sum_{i in S_k} [1{y_i > k} log sigma(x_ik) + 1{y_i <= k} log(1 - sigma(x_ik))] / sum_k |S_k|`` with
    ``S_k = {i: y_i >= k}``, the conditional training subsets of Shi, Cao & Raschka 2021 (arXiv:2111.08851): the
    negative log-likelihood of the grades, divided by the number of binary tasks. Each task is weighted with its
    sample's class weight; positives and negatives are modulated as in
    :func:`clfa.targets.multi_label.multi_label_loss`.

    Args:
        logits: Outputs (N, K - 1), N >= 1.
        labels: Grades (N,), 0 to K - 1.
        class_weights: Weight of each grade (K,); ``None``: all 1.
        gamma: Focusing parameter; larger values reduce the loss of correct decisions more, 0 means no modulation.
        label_smoothing: Binary labels become ``label * (1 - smoothing) + smoothing / 2``.

    Returns:
        Scalar.
    """
    import torch
    from torch.nn import functional as F

    tasks = torch.arange(logits.shape[1], device=logits.device)
    task_weights = (labels.unsqueeze(1) >= tasks).to(logits.dtype)
    if class_weights is not None:
        task_weights = task_weights * class_weights[labels].unsqueeze(1)
    q = (labels.unsqueeze(1) > tasks).to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
    positive, negative = -F.logsigmoid(logits) * q, -F.logsigmoid(-logits) * (1 - q)
    if gamma:
        p = logits.sigmoid()
        positive, negative = positive * focal_factor(p, gamma), negative * focal_factor(1 - p, gamma)
    return (task_weights * (positive + negative)).sum() / task_weights.sum()


def grade_metrics(labels: np.ndarray, predictions: np.ndarray, grades: int) -> dict[str, float | None]:
    """Return metrics that depend on the distance between true and predicted grades.

    Args:
        labels: True grades (N,), N >= 1.
        predictions: Predicted grades (N,).
        grades: Number of grades K.

    Returns:
        ``mae`` in grades, ``quadratic_weighted_kappa`` (Cohen 1968; ``None`` if all labels and predictions are the same
        grade) and ``spearman`` (``None`` if all labels or all predictions are equal).
    """
    # Imported here, because prediction does not need them.
    from scipy.stats import spearmanr
    from sklearn.metrics import cohen_kappa_score

    differ = np.ptp(np.concatenate([labels, predictions])) > 0
    vary = np.ptp(labels) > 0 and np.ptp(predictions) > 0
    kappa = cohen_kappa_score(labels, predictions, labels=range(grades), weights="quadratic") if differ else None
    return {
        "mae": float(np.abs(labels - predictions).mean()),
        "quadratic_weighted_kappa": None if kappa is None else float(kappa),
        "spearman": float(spearmanr(labels, predictions).statistic) if vary else None,
    }
