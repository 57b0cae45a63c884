"""Format of predictions in files: JSON records, and flat columns for tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pyarrow as pa

from clfa.jobs.worker import Outcome, ResultShape
from clfa.prediction.post import Prediction
from clfa.targets.prediction import predicted_classes, prediction_columns, prediction_record
from clfa.targets.rules import Rules
from clfa.targets.target import Target

_TYPES = {
    "text": pa.string(),
    "texts": pa.list_(pa.string()),
    "number": pa.float64(),
    "int": pa.int64(),
    "bool": pa.bool_(),
}
# Values of a row without a prediction.
NO_PREDICTION = {"prediction": None}
AGREEMENT = "agreement"


def prediction_shape(targets: Sequence[Target], has_agreement: bool = False, rules: Rules | None = None) -> ResultShape:
    """Return the format of a model's predictions, with their flat columns.

    The columns are those of :func:`clfa.targets.prediction.prediction_columns`; then ``agreement``, if the model has
    it.

    Args:
        targets: Targets of the model.
        has_agreement: Whether the model's readout compares text and image.
        rules: What is asked beside labels and probabilities.
    """
    columns = prediction_columns(targets, rules) | ({AGREEMENT: "number"} if has_agreement else {})
    schema = pa.schema([pa.field(name, _TYPES[kind]) for name, kind in columns.items()])
    return ResultShape(schema, partial(flat_prediction, columns=columns))


def flat_prediction(record: Mapping[str, Any], columns: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a record's values by the columns of :func:`prediction_shape`.

    Args:
        record: A record from :func:`clfa.targets.prediction.prediction_record`.
        columns: Type of each column, to write classes of different types as texts.
    """
    flat: dict[str, Any] = {}
    parts = {f"{name}.": part for name, part in record.get("targets", {}).items()} or {"": record}
    for prefix, part in parts.items():
        name, value = f"{prefix}prediction", part.get("prediction")
        flat[name] = _as_column(value, (columns or {}).get(name, ""))
        flat |= {f"{prefix}probability_{name}": p for name, p in part.get("probabilities", {}).items()}
        flat |= {f"{prefix}{name}": part[name] for name in ("confidence", "abstained") if name in part}
        if "set" in part:
            flat |= _set_columns(part["set"], prefix, columns or {})
    if AGREEMENT in record:
        flat[AGREEMENT] = record[AGREEMENT]
    return flat


def _set_columns(found: Any, prefix: str, columns: Mapping[str, str]) -> dict[str, Any]:
    if f"{prefix}lowest" in columns:
        return dict(zip((f"{prefix}lowest", f"{prefix}highest"), found, strict=True))
    return {f"{prefix}set": _as_column(found, "texts")}


def _as_column(value: Any, kind: str) -> Any:
    if kind == "texts" and value is not None:
        return list(map(str, value))
    return str(value) if kind == "text" and value is not None else value


def prediction_outcome(prediction: Prediction) -> Outcome:
    """Return a prediction as an outcome: ``prediction`` and ``probabilities``, or these by target; ``agreement``."""
    if prediction.targets is None:
        return Outcome(dict(NO_PREDICTION), prediction.error, prediction.reason)
    record = prediction_record(prediction.targets)
    if prediction.agreement is not None:
        record[AGREEMENT] = round(prediction.agreement, 6)
    return Outcome(record, labels=predicted_classes(prediction.targets))
