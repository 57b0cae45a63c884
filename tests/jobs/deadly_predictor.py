"""A predictor whose process one text kills, as a picture that breaks a decoder or exhausts the memory would."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict_job import PredictJob
from clfa.targets.rules import Rules


class DeadlyPredictor(PostClassifier):
    """``PostClassifier`` that ends its process when it is asked about ``text``."""

    text: str

    def stream(self, windows: Iterable[Sequence[Post]], rules: Rules | None = None) -> Iterator[list[Prediction]]:
        for posts in windows:
            if any(post.text == self.text for post in posts):
                os._exit(1)
            yield from super().stream([posts], rules)


@dataclass(frozen=True)
class DeadlyLoad:
    """Makes one."""

    text: str

    def __call__(self, job: PredictJob) -> Any:
        predictor = DeadlyPredictor.load(job.model, job.batch_size)
        assert isinstance(predictor, DeadlyPredictor)
        predictor.text = self.text
        return predictor
