"""Conversion of a classifier's outputs to predictions, and their format in records and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.targets.rules import Rules
from clfa.targets.target import Target, logit_slices
from clfa.targets.target_prediction import TargetPrediction


def predict_targets(
    targets: Sequence[Target], logits: np.ndarray, rules: Rules | None = None
) -> list[dict[str, TargetPrediction]]:
    """Return the predictions for N posts, by target name.

    Args:
        targets: Targets of the model.
        logits: The classifier's outputs (N, sum of logit widths).
        rules: What is asked beside labels and probabilities; the targets were checked against it.
    """
    rows: list[dict[str, TargetPrediction]] = [{} for _ in logits]
    for target, columns in logit_slices(targets):
        own = target.kind.predictions(logits[:, columns])
        if rules is not None and rules.given:
            own = rules.apply(target, logits[:, columns], own)
        for row, prediction in zip(rows, own, strict=True):
            row[target.name] = prediction
    return rows


def prediction_record(predictions: Mapping[str, TargetPrediction]) -> dict[str, Any]:
    """Return one post's predictions as JSON values: flat for one target, under ``targets`` for several targets.

    Args:
        predictions: Predictions by target name.
    """
    if len(predictions) == 1:
        return next(iter(predictions.values())).to_dict()
    return {"targets": {name: prediction.to_dict() for name, prediction in predictions.items()}}


def predicted_classes(predictions: Mapping[str, TargetPrediction]) -> list[str]:
    """Return the classes predicted for one post, as ``target: class`` if there are several targets.

    Args:
        predictions: Predictions by target name.
    """
    several = len(predictions) > 1
    return [f"{name}: {label}" if several else label for name, found in predictions.items() for label in found.classes]


def prediction_columns(targets: Sequence[Target], rules: Rules | None = None) -> dict[str, str]:
    """Return the columns of a flat table of predictions and their types.

    The types are those of :attr:`clfa.targets.target.Target.column_kind`.

    The columns are ``prediction`` and a ``probability_CLASS`` for each class; by rules ``confidence`` and
    ``abstained``, and ``set``, or ``lowest`` and ``highest`` of a number. With several targets, the prefix ``TARGET.``
    is added.

    Args:
        targets: Targets of the model.
        rules: What is asked beside labels and probabilities.
    """
    columns: dict[str, str] = {}
    for target in targets:
        prefix = f"{target.name}." if len(targets) > 1 else ""
        columns[f"{prefix}prediction"] = target.column_kind
        columns |= {f"{prefix}probability_{name}": "number" for name in target.label_names}
        if rules is not None and rules.coverage is not None:
            columns |= {f"{prefix}confidence": "number", f"{prefix}abstained": "bool"}
        if rules is not None and rules.sets is not None:
            kinds = {"set": "texts"} if target.label_names else {"lowest": "number", "highest": "number"}
            columns |= {f"{prefix}{name}": kind for name, kind in kinds.items()}
    return columns
