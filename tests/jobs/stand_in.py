"""A stand-in for the model, and tables for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clfa.prediction.post import Post, Prediction
from clfa.targets.rules import Rules
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction


class StandIn:
    """Says "good" where the text has an even number of letters; fails on a text that says so."""

    window_size = 16
    label_names = ("bad", "good")
    targets: Sequence[Target] = (Target("label", label_names=("bad", "good")),)
    knowledge = None
    processor = SimpleNamespace(tokenizer="any", image_processor=None)
    fingerprint = "one"
    has_agreement = False

    def predict(self, post: Post) -> Prediction:
        text = post.text or ""
        if "fail" in text:
            return Prediction(None, {}, error=f"cannot read {text}", reason=("odd", "even")[len(text) % 2])
        good = 1 - (len(text) % 2) * 0.75
        found = TargetPrediction("good" if good > 0.5 else "bad", {"bad": 1 - good, "good": good})
        return Prediction(found.value, found.probabilities or {}, targets={"label": found})

    def warn(self) -> None:
        """It reads no images, so that none can be left out."""

    def busy(self) -> AbstractContextManager[None]:
        return nullcontext()

    def stream(self, windows: Iterable[Sequence[Post]], rules: Rules | None = None) -> Iterator[list[Prediction]]:
        for posts in windows:
            yield [self.predict(post) for post in posts]


def make_rows(count: int) -> list[dict[str, str]]:
    return [{"id": f"p{n}", "text": "fail" * (n % 7 == 3) + f"post {n}" + "!" * (n % 5)} for n in range(count)]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=40)
    return path


def read_parquet(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())
