"""Prediction as a job on tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from clfa.jobs.wanted import WantedColumns
from clfa.jobs.worker import Job, Outcome, Worker
from clfa.tables.cells import Cells
from clfa.tables.columns import Columns
from clfa.tables.row import TableOptions

if TYPE_CHECKING:
    from clfa.prediction.engines.base import Precision
    from clfa.prediction.post_classifier import PostClassifier


@dataclass(frozen=True)
class PredictJob(Job):
    """Predict on every row.

    Args:
        model: Run folder, model directory or hub id; a path has to be one that all machines see.
        batch_size: Posts per forward pass.
        given: Column by field (``id``, ``text``, ``image``, ``knowledge``), as the caller gave them.
        run: Columns of the table that the model was trained on.
        tables: What the files themselves do not say, as the caller gave it.
        engine: Name of the engine whose worker it is.
        precision: ``auto``, ``fp32`` or ``bf16``.
        load: Makes the classifier from this job; :meth:`clfa.prediction.post_classifier.PostClassifier.load` when not
            given.
    """

    model: str
    batch_size: int = 32
    given: Mapping[str, str | None] = field(default_factory=dict)
    run: Columns | None = None
    tables: TableOptions = field(default_factory=TableOptions)
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

        self._classifier = classifier
        self.unreadable = NO_PREDICTION
        self.shape = prediction_shape(classifier.targets)
        reads_image = classifier.processor.image_processor is not None
        looks = classifier.knowledge is not None and classifier.knowledge.reads_images
        reads = {"text": classifier.processor.tokenizer is not None, "image": reads_image or looks}
        required = tuple(name for name, read in reads.items() if read)
        self.columns = WantedColumns(job.given, job.run, required, job.tables)
        self.identity = {"the model": classifier.fingerprint, "the columns": self.columns.to_dict()}
        self.window_size = classifier.window_size

    def busy(self) -> AbstractContextManager[None]:
        """See :class:`clfa.jobs.worker.Worker`."""
        return self._classifier.busy()

    def __call__(self, rows: Sequence[Cells]) -> list[Outcome]:
        """See :class:`clfa.jobs.worker.Worker`."""
        (outcomes,) = self.stream([rows])
        return outcomes

    def stream(self, windows: Iterable[Sequence[Cells]]) -> Iterator[list[Outcome]]:
        """See :class:`clfa.jobs.worker.Worker`."""
        from clfa.prediction.post import Post
        from clfa.prediction.records import prediction_outcome

        posts = ([Post(cells.text, cells.image, cells.knowledge) for cells in rows] for rows in windows)
        for predictions in self._classifier.stream(posts):
            yield [prediction_outcome(prediction) for prediction in predictions]

    def close(self) -> None:
        """See :class:`clfa.jobs.worker.Worker`."""
        if self._classifier.knowledge is not None:
            self._classifier.knowledge.warn()
