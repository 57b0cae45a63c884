"""Problem type: one number per sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from clfa.errors import DataError, RecipeError
from clfa.tables.missing import is_missing
from clfa.targets.cells import UnusableCell
from clfa.targets.label_names import LabelIndex
from clfa.targets.plots import plot_scatter
from clfa.targets.problem_type import ColumnKind, Figure, ProblemType
from clfa.targets.spec import TargetSpec

if TYPE_CHECKING:
    import torch


# Squares of larger values have no place in single precision, nor have the differences of values that differ less.
_LARGEST, _LEAST_SD = 1e30, 1e-30
# Largest rounding of a value, in standard deviations.
_LOST = 0.01


class Regression(ProblemType):
    """Regression: a value in the user's unit, with squared error of the standardised value and correlations."""

    name: ClassVar[str] = "regression"
    transformers_name: ClassVar[str | None] = "regression"
    linear_logits: ClassVar[bool] = True
    has_classes: ClassVar[bool] = False
    column_kind: ClassVar[ColumnKind] = "number"
    figures: ClassVar[Mapping[str, Figure]] = {
        "mae": Figure("MAE", percent=False, lower_is_better=True),
        "rmse": Figure("RMSE", percent=False, lower_is_better=True),
        "r2": Figure("R²", percent=False),
        "pearson": Figure("pearson", short="r", percent=False),
        "spearman": Figure("spearman", short="rho", percent=False),
    }
    shown: ClassVar[tuple[str, ...]] = ("mae", "pearson", "spearman")
    headline: ClassVar[str] = "pearson"
    plot_name: ClassVar[str] = "scatter"

    @classmethod
    def check_spec(cls, spec: TargetSpec) -> None:
        """See :meth:`ProblemType.check_spec`."""
        if spec.label_names is not None:
            raise ValueError("a regression has no classes; leave label_names out")

    def check(self) -> None:
        """See :meth:`ProblemType.check`."""
        if self.target.label_names:
            raise DataError(f"target {self.target.name!r} is a regression and has no classes; leave label_names out")

    @property
    def logit_names(self) -> list[str]:
        """See :attr:`ProblemType.logit_names`."""
        return [""]

    def decode(self, cells: Sequence[Any], spec: TargetSpec, classes: LabelIndex | None) -> list[float]:
        """See :meth:`ProblemType.decode`."""
        (cell,) = cells
        if is_missing(cell):
            return [math.nan]
        try:
            # Python takes "1_000" for a number.
            value = math.inf if isinstance(cell, str) and "_" in cell else float(cell)
        except (TypeError, ValueError, OverflowError):
            value = math.inf
        if math.isinf(value):
            raise UnusableCell("not a number", f"{str(cell)[:80]!r} is not a finite number")
        if abs(value) > _LARGEST:
            raise UnusableCell(
                "number too large", f"{value:g} is beyond {_LARGEST:g}, which models compute with; use another unit"
            )
        return [value]

    def describe(self, values: np.ndarray) -> float:
        """See :meth:`ProblemType.describe`."""
        return float(values[0])

    def counts(self, values: np.ndarray) -> dict[str, int]:
        """See :meth:`ProblemType.counts`: the number of samples under ``number``."""
        return {"number": len(values)}

    def obstacle(self, values: np.ndarray, split: str) -> str | None:
        """See :meth:`ProblemType.obstacle`."""
        if split != "train":
            return None
        name = self.target.name
        if np.ptp(values) == 0:
            return f"target {name!r} is {values[0, 0]:g} in every training sample; there is nothing to learn"
        sd = float(values.std())
        # Trainings compute in single precision: without this check, times in seconds would all be one value.
        lost = float(np.abs(values.astype(np.float32).astype(np.float64) - values).max())
        if sd < _LEAST_SD or lost > _LOST * sd:
            return (
                f"target {name!r} has values from {values.min():.12g} to {values.max():.12g} with a standard deviation "
                f"of {sd:.3g}, which single precision cannot tell apart; subtract {values.min():.12g} from all of "
                "them, or use another unit"
            )
        return None

    def fit(self, values: np.ndarray, class_weights: Any) -> dict[str, Any]:
        """See :meth:`ProblemType.fit`: mean and standard deviation."""
        if isinstance(class_weights, Mapping):
            raise RecipeError(
                f"training.class_weights: target {self.target.name!r} is a regression and has no classes."
            )
        return {"mean": float(values.mean()), "sd": float(values.std())}

    def loss(
        self, logits: torch.Tensor, values: torch.Tensor, focal_gamma: float = 0.0, label_smoothing: float = 0.0
    ) -> torch.Tensor:
        """See :meth:`ProblemType.loss` and :func:`regression_loss`; focal modulation and smoothing do not apply."""
        return regression_loss(logits[:, 0], values[:, 0], self.target.mean, self.target.sd)

    def groups(self, values: np.ndarray) -> list[int]:
        """See :meth:`ProblemType.groups`: the quintile of the value."""
        edges = np.quantile(values[:, 0], [0.2, 0.4, 0.6, 0.8]) if len(values) else []
        return [int(group) for group in np.searchsorted(edges, values[:, 0], side="right")]

    def values(self, logits: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.values`: in the user's unit."""
        return logits.astype(np.float64) * self.target.sd + self.target.mean

    @property
    def set_methods(self) -> tuple[str, ...]:
        """See :attr:`ProblemType.set_methods`."""
        return ("residual",)

    def nonconformity(self, labels: np.ndarray, logits: np.ndarray, method: str) -> np.ndarray:
        """See :meth:`ProblemType.nonconformity`: the absolute error, in the user's unit."""
        return np.abs(labels - self.values(logits))[:, 0]

    def prediction_sets(self, logits: np.ndarray, method: str, limit: float) -> list[Any]:
        """See :meth:`ProblemType.prediction_sets`: an interval of the same width for every post."""
        return [[float(value - limit), float(value + limit)] for value in self.values(logits)[:, 0]]

    def logits_of(self, estimates: np.ndarray) -> np.ndarray:
        """See :meth:`ProblemType.logits_of`: in standard deviations from the mean."""
        return (estimates.astype(np.float64) - self.target.mean) / self.target.sd

    def metrics(self, labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
        """See :meth:`ProblemType.metrics` and :func:`regression_metrics`."""
        return {**regression_metrics(labels[:, 0], self.values(logits)[:, 0])}

    def plot(self, labels: np.ndarray, logits: np.ndarray, report: Mapping[str, Any], path: Path, title: str) -> None:
        """See :meth:`ProblemType.plot`: predicted against true values."""
        plot_scatter(labels[:, 0], self.values(logits)[:, 0], path, title)


def regression_loss(logits: torch.Tensor, values: torch.Tensor, mean: float = 0.0, sd: float = 1.0) -> torch.Tensor:
    """Return the mean squared error between output and ``(value - mean) / sd``, independent of the target's unit.

    Args:
        logits: Outputs (N,), in standard deviations from the mean, N >= 1.
        values: True values (N,), in the user's unit.
        mean: Mean of the training values.
        sd: Standard deviation of the training values.

    Returns:
        Scalar.
    """
    from torch.nn import functional as F

    return F.mse_loss(logits, (values - mean) / sd)


def regression_metrics(labels: np.ndarray, values: np.ndarray) -> dict[str, float | None]:
    """Return errors and correlations of a regression.

    Args:
        labels: True values (N,), N >= 1.
        values: Predicted values (N,).

    Returns:
        ``mae``, ``rmse``, ``r2``, ``pearson`` and ``spearman``. The last three are ``None`` if all labels are equal,
        the last two also if all predictions are equal.
    """
    # Imported here, because prediction does not need them.
    from scipy.stats import pearsonr, spearmanr
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    varies = len(labels) > 1 and np.ptp(labels) > 0
    both = varies and np.ptp(values) > 0
    return {
        "mae": float(mean_absolute_error(labels, values)),
        "rmse": float(root_mean_squared_error(labels, values)),
        "r2": float(r2_score(labels, values)) if varies else None,
        "pearson": float(pearsonr(labels, values).statistic) if both else None,
        "spearman": float(spearmanr(labels, values).statistic) if both else None,
    }
