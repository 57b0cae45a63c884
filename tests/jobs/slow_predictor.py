"""A predictor that takes its time and leaves word of where it works, so that tests can kill the machine under it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict_job import PredictJob
from clfa.targets.rules import Rules


class SlowPredictor(PostClassifier):
    """Writes a file named after its node into ``notes``, waits for a second node's, and sleeps."""

    notes: Path
    seconds: float
    patience_s = 300.0

    def stream(self, windows: Iterable[Sequence[Post]], rules: Rules | None = None) -> Iterator[list[Prediction]]:
        import ray

        for posts in windows:
            (self.notes / ray.get_runtime_context().get_node_id()).touch()
            end = time.monotonic() + self.patience_s
            # Machines that start slowly must not leave all work to the first one.
            while len(list(self.notes.iterdir())) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(self.seconds)
            yield from super().stream([posts], rules)


@dataclass(frozen=True)
class SlowLoad:
    """Makes one."""

    notes: str
    seconds: float

    def __call__(self, job: PredictJob) -> Any:
        predictor = SlowPredictor.load(job.model, job.batch_size)
        assert isinstance(predictor, SlowPredictor)
        predictor.notes, predictor.seconds = Path(self.notes), self.seconds
        return predictor
