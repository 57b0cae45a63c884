from __future__ import annotations

import numpy as np
import pytest

from clfa.targets.target import Target
from clfa.yardsticks.base import YardstickData, YardstickSplit


def make_split(rows: int, seed: int) -> YardstickSplit:
    """Posts whose text says the class, whose image features say it with noise, and whose text features do not."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows).astype(float)
    texts = [f"what a {('bad', 'great')[int(label)]} day {number % 7}" for number, label in enumerate(labels)]
    images = rng.normal(size=(rows, 6)) + 3 + labels[:, None] * [2, 0, 0, 0, 0, 0]
    return YardstickSplit(
        labels[:, None], texts, rng.normal(size=(rows, 4)).astype(np.float32), images.astype(np.float32)
    )


@pytest.fixture
def data() -> YardstickData:
    """60 training, 40 validation and 50 test posts of two classes."""
    splits = {"train": make_split(60, 1), "validation": make_split(40, 2), "test": make_split(50, 3)}
    return YardstickData(splits, [Target("label", label_names=("bad", "good"))])
