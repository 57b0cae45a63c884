"""A predictor whose process one text kills, as a picture that breaks a decoder or exhausts the memory would."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier


class DeadlyPredictor(PostClassifier):
    """``PostClassifier`` that ends its process when it is asked about ``text``."""

    text: str

    def __call__(self, posts: Sequence[Post]) -> list[Prediction]:
        if any(post.text == self.text for post in posts):
            os._exit(1)
        return super().__call__(posts)


@dataclass(frozen=True)
class DeadlyLoad:
    """Makes one."""

    text: str

    def __call__(self, run: str, batch_size: int) -> Any:
        predictor = DeadlyPredictor.load(run, batch_size)
        assert isinstance(predictor, DeadlyPredictor)
        predictor.text = self.text
        return predictor
