"""A predictor whose process one text kills, as a picture that breaks a decoder or exhausts the memory would."""

from __future__ import annotations

import os
from dataclasses import dataclass

from clfa.prediction.post import Post, Prediction
from clfa.prediction.predict_job import PredictJob
from jobs.post_reader import PostReader


class DeadlyPredictor(PostReader):
    """:class:`PostReader` that ends its process when it is asked about ``text``."""

    def __init__(self, text: str) -> None:
        self.text = text

    def predict(self, post: Post) -> Prediction:
        if post.text == self.text:
            os._exit(1)
        return super().predict(post)


@dataclass(frozen=True)
class DeadlyLoad:
    """Makes one."""

    text: str

    def __call__(self, job: PredictJob) -> DeadlyPredictor:
        return DeadlyPredictor(self.text)
