from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clfa.targets.target import Target
from clfa.yardsticks.base import YardstickData
from clfa.yardsticks.cache import cached_outputs
from clfa.yardsticks.pooled_image import PooledImage
from clfa.yardsticks.tfidf import Tfidf


class Counted(PooledImage):
    computed = 0

    def outputs(self, data):  # type: ignore[no-untyped-def]
        type(self).computed += 1
        return super().outputs(data)


@pytest.fixture(autouse=True)
def _reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Counted, "computed", 0)


def changed(data: YardstickData, part: str) -> YardstickData:
    """The same data with one part of the test split changed."""
    split = data.splits["test"]
    if part == "texts":
        new = replace(split, texts=[*(split.texts or [])[:-1], "other"])
    else:
        array = getattr(split, part).copy()
        array[0, 0] = 0.5
        new = replace(split, **{part: array})
    return replace(data, splits={**data.splits, "test": new})


def test_outputs_are_computed_once(data: YardstickData, tmp_path: Path) -> None:
    first, seconds = cached_outputs("counted", Counted(), data, tmp_path)
    again, same_seconds = cached_outputs("counted", Counted(), replace(data), tmp_path)
    assert Counted.computed == 1
    assert (again.settings, same_seconds) == (first.settings, seconds)
    assert again.logits.keys() == first.logits.keys()
    for split, logits in first.logits.items():
        assert (again.logits[split] == logits).all()
        assert again.logits[split].dtype == np.float64


@pytest.mark.parametrize(
    ("part", "computed"), [("image_features", 2), ("labels", 2), ("text_features", 1), ("texts", 1)]
)
def test_what_a_yardstick_reads_is_in_the_key(part: str, computed: int, data: YardstickData, tmp_path: Path) -> None:
    cached_outputs("counted", Counted(), data, tmp_path)
    cached_outputs("counted", Counted(), changed(data, part), tmp_path)
    assert Counted.computed == computed


def test_texts_targets_and_version_are_in_the_key(
    data: YardstickData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_outputs("tfidf", Tfidf(), data, tmp_path)
    cached_outputs("tfidf", Tfidf(), changed(data, "texts"), tmp_path)
    cached_outputs("tfidf", Tfidf(), replace(data, targets=[Target("label", label_names=("x", "y"))]), tmp_path)
    monkeypatch.setattr(Tfidf, "version", 2)
    cached_outputs("tfidf", Tfidf(), data, tmp_path)
    assert len(list(tmp_path.glob("yardsticks/tfidf-*.npz"))) == 4


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_damaged_file_is_computed_again(content: bytes | None, data: YardstickData, tmp_path: Path) -> None:
    first, _ = cached_outputs("counted", Counted(), data, tmp_path)
    (path,) = tmp_path.glob("yardsticks/counted-*.npz")
    path.write_bytes(path.read_bytes()[:-40] if content is None else content)
    again, _ = cached_outputs("counted", Counted(), data, tmp_path)
    assert Counted.computed == 2
    assert (again.logits["test"] == first.logits["test"]).all()
    cached_outputs("counted", Counted(), data, tmp_path)
    assert Counted.computed == 2


def test_a_flipped_bit_anywhere_is_harmless(data: YardstickData, tmp_path: Path) -> None:
    first, _ = cached_outputs("counted", Counted(), data, tmp_path)
    (path,) = tmp_path.glob("yardsticks/counted-*.npz")
    content = path.read_bytes()
    for bit in range(0, 8 * len(content), 401):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        again, _ = cached_outputs("counted", Counted(), data, tmp_path)
        assert all((again.logits[name] == logits).all() for name, logits in first.logits.items())
