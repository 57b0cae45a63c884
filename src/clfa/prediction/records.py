"""The shape of predictions in files: the JSON record of a row, and its flat columns for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from clfa.jobs.worker import Outcome, ResultShape
from clfa.prediction.post import Prediction
from clfa.targets.prediction import predicted_classes, prediction_columns, prediction_record
from clfa.targets.target import Target

_TYPES = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.float64()}
# Of a row without a prediction.
NO_PREDICTION = {"prediction": None}


def prediction_shape(label_names: Sequence[str], targets: Sequence[Target]) -> ResultShape:
    """Return the flat columns of a model's predictions, and how records become rows of them.

    ``prediction`` and a ``probability_CLASS`` for each class; with several targets their names and a dot stand before.

    Args:
        label_names: Of a model without targets.
        targets: Of the model, or none.
    """
    columns = prediction_columns(targets)
    if not targets:
        columns = {"prediction": "text", **{f"probability_{name}": "number" for name in label_names}}
    return ResultShape(pa.schema([pa.field(name, _TYPES[kind]) for name, kind in columns.items()]), flat_prediction)


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
        return Outcome(prediction_record(prediction.targets), labels=predicted_classes(prediction.targets))
    probabilities = {name: round(p, 6) for name, p in prediction.probabilities.items()}
    values = {"prediction": prediction.label, "probabilities": probabilities}
    return Outcome(values, labels=[str(prediction.label)])
