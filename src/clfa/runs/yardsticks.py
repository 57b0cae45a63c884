"""Yardsticks of a run: plain baselines on its texts and its encoders' features before training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.data import Corpus
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.pretrained import cache_dir
from clfa.processing.terms import Terms
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders
from clfa.store import ABSENT_KEY
from clfa.targets.target import Target, label_matrix
from clfa.yardsticks.base import YardstickData, YardstickSplit
from clfa.yardsticks.blocks import Scale
from clfa.yardsticks.compute import yardstick_metrics

# More training posts are thinned out evenly, so that yardsticks take seconds.
MAX_TRAIN = 20_000
# Features of encoders that are trained are computed for yardsticks alone; for more posts this takes too long.
MAX_ENCODED = 5_000


class RunYardsticks:
    """The yardsticks of one run.

    Create it before the training: it caches the features of encoders that the training changes.

    Args:
        recipe: The run's recipe.
        corpus: Its data.
        encoders: Its encoders before training.
        score_test: Whether the run scores the test split.
    """

    def __init__(self, recipe: Recipe, corpus: Corpus, encoders: Encoders, *, score_test: bool) -> None:
        self._recipe, self._encoders = recipe, encoders
        names = ["train", "validation", *(["test"] if score_test and len(corpus.splits.get("test", ())) else [])]
        self._splits = {name: corpus.splits[name] for name in names}
        self._posts = sum(map(len, self._splits.values()))
        for part in ("text", "image"):
            encoder, column = self._encoder(part), part
            if encoder is not None and self._feature_obstacle(part) is None:
                for split in self._splits.values():
                    encoder.ensure_pooled(split[column][:], getattr(encoders.keys(split), part))

    def metrics(self, targets: list[Target], cache: Path | None = None) -> dict[str, Any]:
        """Return the entry ``yardsticks`` of ``metrics.json``; see :func:`yardstick_metrics`.

        Args:
            targets: Targets with the values fitted to the training split.
            cache: Cache directory.
        """
        tune = self._recipe.training.tune_thresholds
        return yardstick_metrics(self.data(targets), cache or cache_dir(), tune_thresholds=tune)

    def data(
        self,
        targets: list[Target],
        *,
        as_read: bool = False,
        terms: Terms | None = None,
        scales: Mapping[str, Scale] | None = None,
    ) -> YardstickData:
        """Return the data of the yardsticks.

        Args:
            targets: Targets with the values fitted to the training split.
            as_read: Whether everything is as a blend reads it: features are the means of the tokens with pooled grids,
                and terms are those given.
            terms: The terms that count; those of the training texts when not given, without ``as_read``.
            scales: Scales of features; those of the training split when not given.
        """
        absent = {f"{part}_features": self._feature_obstacle(part) for part in ("text", "image")}
        if self._encoders.text is None:
            absent["texts"] = "the model reads no texts"
        elif as_read and terms is None:
            absent["texts"] = "no term is in two texts"
        reasons = {part: reason for part, reason in absent.items() if reason is not None}
        splits = {name: self._split(name, reasons, as_read) for name in self._splits}
        return YardstickData(splits, targets, reasons, terms, scales or {})

    def _split(self, name: str, absent: dict[str, str], as_read: bool) -> YardstickSplit:
        split = self._splits[name]
        rows = np.arange(len(split))
        if name == "train" and len(rows) > MAX_TRAIN:
            rows = np.linspace(0, len(rows) - 1, MAX_TRAIN).round().astype(np.int64)
        texts = None if "texts" in absent else [text or "" for text in _picked(split["text"][:], rows)]
        features = {
            f"{part}_features": self._features(part, split, rows, as_read)
            for part in ("text", "image")
            if f"{part}_features" not in absent
        }
        return YardstickSplit(label_matrix(split)[rows], texts, **features)

    def _features(self, part: str, split: Dataset, rows: np.ndarray, as_read: bool) -> np.ndarray:
        """Return pooled features (N, D), a row of NaN where text or image is missing."""
        encoder = self._encoder(part)
        assert encoder is not None
        keys = _picked(getattr(self._encoders.keys(split), part), rows)
        present = [position for position, key in enumerate(keys) if key != ABSENT_KEY]
        features = np.full((len(keys), encoder.width), np.nan, np.float32)
        found = [keys[position] for position in present]
        features[present] = encoder.token_means(found) if as_read else encoder.pooled_matrix(found)
        return features

    def _encoder(self, part: str) -> FrozenEncoder | None:
        return self._encoders.text if part == "text" else self._encoders.image

    def _feature_obstacle(self, part: str) -> str | None:
        """Return why the features of a modality are not used; ``None`` if they are."""
        if self._encoder(part) is None:
            return f"the model reads no {part}s"
        model = self._recipe.model
        frozen = model.freeze_text_encoder if part == "text" else model.freeze_vision_encoder
        if frozen is not True and self._posts > MAX_ENCODED:
            return (
                f"the {part} encoder is trained, and its features would have to be computed for {self._posts:,} posts "
                f"(limit {MAX_ENCODED:,})"
            )
        return None


def _picked(values: list[Any], rows: np.ndarray) -> list[Any]:
    return [values[row] for row in rows]
