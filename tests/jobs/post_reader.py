"""A stand-in for the model that reads text and picture of every post, and does without PyTorch.

Workers on a cluster import PyTorch for seconds each, which proves nothing about the distribution of work.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from types import SimpleNamespace

from PIL import Image

from clfa.prediction.post import Post, Prediction
from clfa.prediction.predict_job import PredictJob
from clfa.targets.target_prediction import TargetPrediction
from jobs.stand_in import StandIn


class PostReader(StandIn):
    """Gives every post probabilities of its own, by its text and pixels."""

    processor = SimpleNamespace(tokenizer="any", image_processor="any")
    config = SimpleNamespace(allow_missing_modalities=False)

    def __call__(self, posts: Sequence[Post]) -> list[Prediction]:
        return [self.predict(post) for post in posts]

    def predict(self, post: Post) -> Prediction:
        if not post.text:
            return _failed("empty text")
        if post.image is None:
            return _failed("missing image")
        try:
            with Image.open(post.image) as picture:
                pixels = picture.tobytes()
        except OSError:
            return _failed("unreadable image")
        good = zlib.crc32(pixels, zlib.crc32(post.text.encode())) / 2**32
        found = TargetPrediction("good" if good > 0.5 else "bad", {"bad": 1 - good, "good": good})
        return Prediction(found.value, found.probabilities or {}, targets={"label": found})


def load_reader(job: PredictJob) -> PostReader:
    """``load`` of a :class:`PredictJob`."""
    return PostReader()


def _failed(reason: str) -> Prediction:
    return Prediction(None, {}, error=reason, reason=reason)
