"""Means, intervals and paired tests over folds and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Mean:
    """Mean score of one row.

    Args:
        mean: Arithmetic mean.
        sd: Sample standard deviation; ``nan`` for a single score.
        n: Number of scores: of folds, or of seeds on one split.
        low: Lower end of the 95 % interval of the mean; ``nan`` for a single score.
        high: Upper end of the interval.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Paired difference of two rows, the first minus the second.

    Args:
        mean: Mean difference.
        sd: Standard deviation of the differences.
        n: Number of pairs: of folds, or of seeds on one split.
        low: Lower end of the 95 % interval of the mean difference.
        high: Upper end of the interval.
        p: Two-sided p value of the t-test; ``nan`` with fewer than two pairs, or when all differences are equal.
        wilcoxon_p: Two-sided p value of the Wilcoxon signed-rank test.
        ahead: Number of pairs in which the first row has the larger score.
    """

    mean: float
    sd: float
    n: int
    low: float
    high: float
    p: float
    wilcoxon_p: float
    ahead: int


def standard_error(values: np.ndarray, ratio: float) -> float:
    """Return the standard error of the mean of scores whose training sets overlap.

    ``sqrt((1 / n + ratio) * variance)``, the corrected resampled estimate of Nadeau & Bengio (2003, "Inference for the
    Generalization Error", Machine Learning 52, section 5); over repeated folds as by Bouckaert & Frank (2004).

    Args:
        values: Scores or differences (n,), n > 1.
        ratio: Size of the scored split divided by that of the training split; 0 gives the ordinary standard error.
    """
    return math.sqrt((1 / len(values) + ratio) * float(np.var(values, ddof=1)))


def summarise(values: Sequence[float], ratio: float = 0.0) -> Mean:
    """Compute mean, standard deviation and 95 % interval of the mean.

    Args:
        values: Scores (n,), n > 0.
        ratio: See :func:`standard_error`.

    Raises:
        ValueError: When there are no values.
    """
    scores = np.asarray(values, float)
    if not len(scores):
        raise ValueError("there are no scores to summarise.")
    mean = float(scores.mean())
    if len(scores) == 1:
        return Mean(mean, math.nan, 1, math.nan, math.nan)
    half = float(stats.t.ppf(0.975, len(scores) - 1)) * standard_error(scores, ratio)
    return Mean(mean, float(scores.std(ddof=1)), len(scores), mean - half, mean + half)


def compare(first: Sequence[float], second: Sequence[float], ratio: float = 0.0) -> Difference:
    """Compare two rows by paired tests.

    Args:
        first: Scores of the first row (n,), n > 0.
        second: Scores of the second row for the same folds and seeds, in the same order.
        ratio: See :func:`standard_error`; 0 gives the ordinary paired t-test.

    Raises:
        ValueError: When the lengths differ or there is no pair.
    """
    a, b = np.asarray(first, float), np.asarray(second, float)
    if len(a) != len(b) or not len(a):
        raise ValueError(f"paired scores are needed, got {len(a)} and {len(b)}.")
    differences = a - b
    summary = summarise(differences.tolist(), ratio)
    p = wilcoxon_p = math.nan
    if len(differences) > 1:
        error = standard_error(differences, ratio)
        # A smaller standard error is only rounding.
        if error > 1e-12:
            p = float(2 * stats.t.sf(abs(summary.mean) / error, len(differences) - 1))
        if np.any(differences != 0):
            wilcoxon_p = float(stats.wilcoxon(differences).pvalue)
    ahead = int((differences > 0).sum())
    return Difference(summary.mean, summary.sd, summary.n, summary.low, summary.high, p, wilcoxon_p, ahead)


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for multiple tests (Holm 1979), in the same order; ``nan`` stays ``nan`` and is not counted.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [math.nan] * len(p_values)
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    largest = 0.0
    for rank, (p, place) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - rank)))
        corrected[place] = largest
    return corrected
