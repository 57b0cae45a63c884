"""The shape of predictions in files: the JSON record of a row, and its flat columns for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from clfa.jobs.worker import Outcome, ResultShape
from clfa.prediction.post import Prediction
from clfa.targets.target import MULTI_LABEL, REGRESSION, Target

if TYPE_CHECKING:
    from clfa.evaluation.target_predictions import TargetPrediction

# Of a row without a prediction.
NO_PREDICTION = {"prediction": None}


def prediction_shape(label_names: Sequence[str], targets: Sequence[Target]) -> ResultShape:
    """Return the flat columns of a model's predictions, and how records become rows of them.

    ``prediction`` and a ``probability_CLASS`` for each class; with several targets their names and a dot stand before.

    Args:
        label_names: Of a model without targets.
        targets: Of the model, or none.
    """
    fields = []
    if not targets:
        fields += [pa.field("prediction", pa.string()), *_probabilities("", label_names)]
    for target in targets:
        prefix = f"{target.name}." if len(targets) > 1 else ""
        kinds = {REGRESSION: pa.float64(), MULTI_LABEL: pa.list_(pa.string())}
        fields.append(pa.field(f"{prefix}prediction", kinds.get(target.problem_type, pa.string())))
        fields += _probabilities(prefix, target.label_names)
    return ResultShape(pa.schema(fields), flat_prediction)


def _probabilities(prefix: str, label_names: Sequence[str]) -> list[pa.Field]:
    return [pa.field(f"{prefix}probability_{name}", pa.float64()) for name in label_names]


def flat_prediction(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record's values by the columns of :func:`prediction_shape`."""
    flat: dict[str, Any] = {}
    parts = {f"{name}.": part for name, part in record.get("targets", {}).items()} or {"": record}
    for prefix, part in parts.items():
        flat[f"{prefix}prediction"] = part.get("prediction")
        flat |= {f"{prefix}probability_{name}": p for name, p in part.get("probabilities", {}).items()}
    return flat


def prediction_outcome(prediction: Prediction) -> Outcome:
    """Return what a prediction comes to in a file: ``prediction`` and ``probabilities``, or these by target."""
    if prediction.error is not None:
        return Outcome(dict(NO_PREDICTION), prediction.error, prediction.reason)
    if prediction.targets is not None:
        return Outcome(_by_target(prediction.targets), labels=_classes(prediction))
    probabilities = {name: round(p, 6) for name, p in prediction.probabilities.items()}
    values = {"prediction": prediction.label, "probabilities": probabilities}
    return Outcome(values, labels=[str(prediction.label)])


def _by_target(targets: Mapping[str, TargetPrediction]) -> dict[str, Any]:
    records = {name: found.to_dict() for name, found in targets.items()}
    return next(iter(records.values())) if len(records) == 1 else {"targets": records}


def _classes(prediction: Prediction) -> list[str]:
    """Return the classes a prediction counts for; a number counts for none."""
    targets = prediction.targets or {}
    counted = []
    for name, found in targets.items():
        values = found.value if isinstance(found.value, list) else [found.value] * (found.probabilities is not None)
        counted += [f"{name}: {value}" if len(targets) > 1 else str(value) for value in values]
    return counted
