"""Predictions on tables larger than one machine, as Parquet shards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from clfa.jobs.job import Job, Outcome, Worker
from clfa.tables.rows import Row
from clfa.targets.prediction import predicted_classes
from clfa.targets.target import Target


@dataclass(frozen=True)
class PredictJob(Job):
    """Predict on every row.

    Args:
        run: Run folder, model directory or hub id; a path has to be one that all machines see.
        batch_size: Posts per forward pass.
        text: Text column.
        image: Image column: paths (relative ones start from the table's folder), fsspec addresses, or encoded bytes.
        identifier: Id column; the row number where it is absent.
        knowledge: Knowledge column, for models that read it.
        load: Makes the predictor from ``run`` and ``batch_size``; ``PostClassifier.load`` when
            not given.
    """

    run: str
    batch_size: int = 32
    text: str = "text"
    image: str = "image"
    identifier: str = "id"
    knowledge: str = "knowledge"
    load: Callable[[str, int], Any] | None = None

    kind: ClassVar[str] = "predict"

    def open(self) -> Worker:
        """See :meth:`clfa.jobs.job.Job.open`.

        Raises:
            ModelError: When there is no trained model.
        """
        return PredictWorker(self)


class PredictWorker(Worker):
    """A predictor at work on rows.

    Args:
        job: Which model, which columns.
    """

    def __init__(self, job: PredictJob) -> None:
        # Here and not above: a worker's environment has to be set first.
        from clfa.modeling.frozen_encoder import weights_fingerprint
        from clfa.prediction.post_classifier import PostClassifier
        from clfa.processing.processor import tokenizer_digest

        predictor = (job.load or PostClassifier.load)(job.run, job.batch_size)
        self._predictor, self._job = predictor, job
        self.schema = prediction_schema(predictor.label_names, predictor.targets)
        columns = {"text": job.text, "image": job.image, "id": job.identifier, "knowledge": job.knowledge}
        configuration = predictor.model.config.to_dict()
        # Paths and versions that differ between equal models.
        for name in ("_name_or_path", "transformers_version"):
            configuration.pop(name, None)
        processor = predictor.processor
        settings = [
            configuration,
            None if processor.tokenizer is None else tokenizer_digest(processor.tokenizer),
            None if processor.image_processor is None else processor.image_processor.to_dict(),
            [processor.max_length, processor.knowledge_max_length],
        ]
        self.identity = {"model": weights_fingerprint(predictor.model, *settings), "columns": columns}
        self.columns = tuple(columns.values())
        self.identifier = job.identifier
        self.batch_size = job.batch_size
        looks = predictor.knowledge is not None and predictor.knowledge.reads_images
        self.required = {}
        if predictor.processor.tokenizer is not None:
            self.required[job.text] = "--text-column"
        if predictor.processor.image_processor is not None or looks:
            self.required[job.image] = "--image-column"

    def __call__(self, rows: Sequence[Row], folder: Path) -> list[Outcome]:
        """See :meth:`clfa.jobs.job.Worker.__call__`."""
        from clfa.prediction.post import Post
        from clfa.tables.cells import read_cells
        from clfa.tables.columns import Columns

        job = self._job
        columns = Columns(job.identifier, job.text, job.image, job.knowledge)
        cells = [read_cells(row, columns, str(folder)) for row in rows]
        posts = [Post(cell.text, cell.image, cell.knowledge) for cell in cells]
        return [_outcome(prediction) for prediction in self._predictor(posts)]


def prediction_schema(label_names: Sequence[str], targets: Sequence[Target]) -> pa.Schema:
    """Columns of predictions: ``prediction`` and ``probabilities`` (a struct by class), as in JSONL predictions.

    Args:
        label_names: Classes of the one label.
        targets: The model's targets, where it has others; several stand in a struct ``targets`` by name.
    """
    if not targets:
        return pa.schema([pa.field("prediction", pa.string()), pa.field("probabilities", _struct(label_names))])
    fields = {target.name: _target_fields(target) for target in targets}
    if len(fields) == 1:
        return pa.schema(next(iter(fields.values())))
    return pa.schema([pa.field("targets", pa.struct([pa.field(k, pa.struct(v)) for k, v in fields.items()]))])


def _target_fields(target: Target) -> list[pa.Field]:
    types = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.float64()}
    fields = [pa.field("prediction", types[target.kind.column_kind])]
    return [*fields, pa.field("probabilities", _struct(target.label_names))] if target.label_names else fields


def _struct(names: Sequence[str]) -> pa.DataType:
    return pa.struct([pa.field(name, pa.float32()) for name in names])


def _outcome(prediction: Any) -> Outcome:
    if prediction.error is not None:
        return Outcome(error=prediction.error, reason=prediction.reason)
    if prediction.targets is None:
        values = {"prediction": prediction.label, "probabilities": prediction.probabilities}
        return Outcome(values, labels=[str(prediction.label)])
    found = {
        name: {"prediction": target.value, "probabilities": target.probabilities}
        for name, target in prediction.targets.items()
    }
    labels = predicted_classes(prediction.targets)
    return Outcome(next(iter(found.values())) if len(found) == 1 else {"targets": found}, labels=labels)
