"""A predictor that takes its time and leaves word of where it works, so that tests can kill the machine under it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clfa.prediction.post import Post, Prediction
from clfa.prediction.predict_job import PredictJob
from clfa.targets.rules import Rules


class SlowPredictor:
    """Writes a file named after its node into ``notes``, waits for a second node's, and sleeps.

    Args:
        predictor: What predicts then.
        notes: The folder.
        seconds: To sleep before each window.
        once: Sleep before the first window of a node alone.
    """

    patience_s = 300.0

    def __init__(self, predictor: Any, notes: Path, seconds: float, once: bool) -> None:
        self.predictor, self.notes, self.seconds, self.once = predictor, notes, seconds, once

    def __getattr__(self, name: str) -> Any:
        return getattr(self.predictor, name)

    def stream(self, windows: Iterable[Sequence[Post]], rules: Rules | None = None) -> Iterator[list[Prediction]]:
        import ray

        note = self.notes / ray.get_runtime_context().get_node_id()
        for posts in windows:
            seconds = 0.0 if self.once and note.exists() else self.seconds
            note.touch()
            end = time.monotonic() + self.patience_s
            # Machines that start slowly must not leave all work to the first one.
            while len(list(self.notes.iterdir())) < 2 and time.monotonic() < end:
                time.sleep(0.05)
            time.sleep(seconds)
            yield from self.predictor.stream([posts], rules)


@dataclass(frozen=True)
class SlowLoad:
    """Makes one of what another ``load`` makes."""

    load: Callable[[PredictJob], Any]
    notes: str
    seconds: float
    once: bool = False

    def __call__(self, job: PredictJob) -> SlowPredictor:
        return SlowPredictor(self.load(job), Path(self.notes), self.seconds, self.once)


def load_model(job: PredictJob) -> Any:
    """The model, as a job without ``load`` has it."""
    from clfa.prediction.post_classifier import PostClassifier

    return PostClassifier.load(job.model, job.batch_size)
