"""Prediction as a job on tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from clfa.jobs.worker import Job, Outcome, Worker
from clfa.tables.rows import Row

if TYPE_CHECKING:
    from clfa.prediction.engines.base import Precision
    from clfa.prediction.post_classifier import PostClassifier


@dataclass(frozen=True)
class PredictJob(Job):
    """Predict on every row.

    Args:
        model: Run folder, model directory or hub id; a path has to be one that all machines see.
        batch_size: Posts per forward pass.
        text: Text column.
        image: Image column: paths, fsspec addresses, or encoded bytes.
        identifier: Id column; the row number where it is absent.
        knowledge: Knowledge column, for models that read it.
        engine: Name of the engine whose worker it is.
        precision: ``auto``, ``fp32`` or ``bf16``.
        load: Makes the classifier from this job; :meth:`clfa.prediction.post_classifier.PostClassifier.load` when not
            given.
    """

    model: str
    batch_size: int = 32
    text: str = "text"
    image: str = "image"
    identifier: str = "id"
    knowledge: str = "knowledge"
    engine: str = "torch"
    precision: Precision = "fp32"
    load: Callable[[PredictJob], Any] | None = None

    kind: ClassVar[str] = "predict"
    doing: ClassVar[str] = "predicting"

    def open(self) -> Worker:
        """See :meth:`clfa.jobs.worker.Job.open`.

        Raises:
            ModelError: When there is no trained model.
        """
        # Here and not above: a worker's environment has to be set first.
        from clfa.prediction.post_classifier import PostClassifier

        if self.load is not None:
            return PredictWorker(self.load(self), self)
        classifier = PostClassifier.load(self.model, self.batch_size, engine=self.engine, precision=self.precision)
        return PredictWorker(classifier, self)


class PredictWorker(Worker):
    """A classifier at work on rows.

    Args:
        classifier: The model.
        job: Which columns.
    """

    def __init__(self, classifier: PostClassifier, job: PredictJob) -> None:
        from clfa.prediction.records import NO_PREDICTION, prediction_shape

        self._classifier, self._job = classifier, job
        self.unreadable = NO_PREDICTION
        self.shape = prediction_shape(classifier.label_names, classifier.targets)
        columns = {"text": job.text, "image": job.image, "id": job.identifier, "knowledge": job.knowledge}
        self.identity = {"the model": classifier.fingerprint, "the columns": columns}
        self.columns = tuple(columns.values())
        self.identifier = job.identifier
        self.window_size = classifier.window_size
        looks = classifier.knowledge is not None and classifier.knowledge.reads_images
        self.required = {}
        if classifier.processor.tokenizer is not None:
            self.required[job.text] = "text"
        if classifier.processor.image_processor is not None or looks:
            self.required[job.image] = "image"

    def busy(self) -> AbstractContextManager[None]:
        """See :class:`clfa.jobs.worker.Worker`."""
        return self._classifier.busy()

    def __call__(self, rows: Sequence[Row], folder: Path) -> list[Outcome]:
        """See :class:`clfa.jobs.worker.Worker`."""
        (outcomes,) = self.stream([rows], folder)
        return outcomes

    def stream(self, windows: Iterable[Sequence[Row]], folder: Path) -> Iterator[list[Outcome]]:
        """See :class:`clfa.jobs.worker.Worker`."""
        from clfa.data.located import located
        from clfa.prediction.post import Post
        from clfa.prediction.records import prediction_outcome

        job = self._job

        def post(row: Row) -> Post:
            image = located(row.values.get(job.image), folder)
            return Post(row.values.get(job.text), image, row.values.get(job.knowledge))

        posts = ([post(row) for row in rows] for rows in windows)
        for predictions in self._classifier.stream(posts):
            yield [prediction_outcome(prediction) for prediction in predictions]

    def close(self) -> None:
        """See :class:`clfa.jobs.worker.Worker`."""
        if self._classifier.knowledge is not None:
            self._classifier.knowledge.warn()
