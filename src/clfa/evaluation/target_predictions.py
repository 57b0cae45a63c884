"""From a classifier's outputs to probabilities and predictions of each target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clfa.evaluation.inference import softmax
from clfa.targets.target import MULTI_LABEL, REGRESSION, SINGLE_LABEL, THRESHOLD, Target, logit_slices


@dataclass(frozen=True)
class TargetPrediction:
    """One target of one post.

    Args:
        value: The class, the list of classes, or the number in the training data's unit.
        probabilities: By class name; those of a multi-label target do not add up to 1. ``None`` for a regression.
    """

    value: Any
    probabilities: dict[str, float] | None = None

    def to_dict(self, digits: int = 6) -> dict[str, Any]:
        """For JSON: ``prediction`` and, for classes, ``probabilities``."""
        value = float(f"{self.value:.{digits}g}") if isinstance(self.value, float) else self.value
        if self.probabilities is None:
            return {"prediction": value}
        return {"prediction": value, "probabilities": {k: round(p, digits) for k, p in self.probabilities.items()}}


def target_probabilities(target: Target, logits: np.ndarray) -> np.ndarray:
    """Probabilities of a classification target (N, C), in float64.

    Args:
        target: Single-label (softmax) or multi-label (a sigmoid per class).
        logits: Its part of the outputs (N, C).
    """
    if target.problem_type == SINGLE_LABEL:
        return softmax(logits)
    # Both branches of the stable sigmoid at once.
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


def target_values(target: Target, logits: np.ndarray) -> np.ndarray:
    """Predictions in the form of labels (N, ``target.width``) float64.

    Args:
        target: Any; a multi-label one's thresholds, and a regression's mean and sd, count.
        logits: Its part of the outputs (N, ``target.logit_width``).
    """
    if target.problem_type == REGRESSION:
        return logits.astype(np.float64) * target.sd + target.mean
    if target.problem_type == MULTI_LABEL:
        thresholds = np.array(target.thresholds or [THRESHOLD] * len(target.label_names))
        return (target_probabilities(target, logits) >= thresholds).astype(np.float64)
    return logits.argmax(axis=-1)[:, None].astype(np.float64)


def predict_targets(targets: Sequence[Target], logits: np.ndarray) -> list[dict[str, TargetPrediction]]:
    """Predictions of every target for N posts, by target name.

    Args:
        targets: Of the model.
        logits: The classifier's outputs (N, sum of logit widths).
    """
    rows: list[dict[str, TargetPrediction]] = [{} for _ in logits]
    for target, columns in logit_slices(targets):
        own = logits[:, columns]
        values = target_values(target, own)
        named: list[dict[str, float] | None] = [None] * len(rows)
        if target.problem_type != REGRESSION:
            table = target_probabilities(target, own)
            named = [{k: float(p) for k, p in zip(target.label_names, row, strict=True)} for row in table]
        for row, value, probabilities in zip(rows, values, named, strict=True):
            row[target.name] = TargetPrediction(target.describe(value), probabilities)
    return rows
