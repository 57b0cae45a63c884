"""Job that predicts on the rows of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from clfa.jobs.wanted import WantedColumns
from clfa.jobs.worker import Job, Outcome, Worker
from clfa.tables.access import CLOSED, Access
from clfa.tables.cells import Cells
from clfa.tables.columns import Columns
from clfa.tables.row import TableOptions

if TYPE_CHECKING:
    from clfa.prediction.engines.base import Precision
    from clfa.prediction.post_classifier import PostClassifier
    from clfa.targets.rules import Rules


@dataclass(frozen=True)
class PredictJob(Job):
    """Job that predicts on each row.

    Args:
        model: Run folder, model directory or hub id; a path must be accessible on all machines.
        batch_size: Posts per forward pass.
        given: Column names by field (``id``, ``text``, ``image``, ``knowledge``), as given by the caller.
        run: Columns of the training table of the model.
        tables: Separator and sheet of the input tables, where the caller gave them.
        engine: Name of the engine.
        precision: ``auto``, ``fp32`` or ``bf16``.
        access: What rows may open.
        rules: What is asked beside labels and probabilities.
        load: Loads the classifier of this job; :meth:`clfa.prediction.post_classifier.PostClassifier.load` by
            default.
    """

    model: str
    batch_size: int = 32
    given: Mapping[str, str | None] = field(default_factory=dict)
    run: Columns | None = None
    tables: TableOptions = field(default_factory=TableOptions)
    engine: str = "torch"
    precision: Precision = "fp32"
    access: Access = CLOSED
    rules: Rules | None = None
    load: Callable[[PredictJob], Any] | None = None

    kind: ClassVar[str] = "predict"
    doing: ClassVar[str] = "predicting"

    def open(self) -> Worker:
        """See :meth:`clfa.jobs.worker.Job.open`.

        Raises:
            ModelError: If there is no trained model.
        """
        if self.load is not None:
            return PredictWorker(self.load(self), self)
        # Imported here because the environment of a worker must be set first.
        from clfa.prediction.post_classifier import PostClassifier

        classifier = PostClassifier.load(self.model, self.batch_size, engine=self.engine, precision=self.precision)
        return PredictWorker(classifier, self)


class PredictWorker(Worker):
    """Worker that predicts on rows with a classifier.

    Args:
        classifier: The classifier.
        job: The job, which gives the columns.
    """

    def __init__(self, classifier: PostClassifier, job: PredictJob) -> None:
        from clfa.prediction.records import NO_PREDICTION, prediction_shape
        from clfa.prediction.required import required_fields

        self._classifier = classifier
        self._rules = job.rules
        if job.rules is not None:
            job.rules.check(classifier.targets)
        self.unreadable = NO_PREDICTION
        self.shape = prediction_shape(classifier.targets, classifier.has_agreement, job.rules)
        self.columns = WantedColumns(job.given, job.run, required_fields(classifier), job.tables, job.access)
        self.identity = {"the model": classifier.fingerprint, "the columns": self.columns.to_dict()}
        if job.rules is not None and job.rules.given:
            self.identity["the rules"] = job.rules.to_dict()
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
        for predictions in self._classifier.stream(posts, self._rules):
            yield [prediction_outcome(prediction) for prediction in predictions]

    def close(self) -> None:
        """See :class:`clfa.jobs.worker.Worker`."""
        self._classifier.warn()
        if self._classifier.knowledge is not None:
            self._classifier.knowledge.warn()
