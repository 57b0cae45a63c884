from __future__ import annotations

import numpy as np
import pytest
from benchmarks.failure_modes import CHANGES, cued, mixed, negated, neutral, swapped, text_only, without_hashtags
from benchmarks.faithfulness import correlation, steps_of
from PIL import Image

from clfa.explaining.explanation import Attribution
from clfa.prediction.post import Post


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        (negated, "it is good", "it is not good"),
        (negated, "it is not good", "it is  good"),
        (negated, "good", None),
        (swapped, "Women and MEN of China", "Men and WOMEN of Germany"),
        (swapped, "a cat", None),
        (mixed, "why is this good", "kyun hai yeh accha"),
        (mixed, "why is it", None),
        (without_hashtags, "so #sunny today", "so  today"),
        (without_hashtags, "#sunny", None),
        (neutral, "a cat", "a cat today"),
        (cued, "a cat", "a cat yeah right, how wonderful #sarcasm"),
    ],
)
def test_changes(change, text: str, expected: str | None) -> None:  # type: ignore[no-untyped-def]
    found = change(Post(text, "a.jpg"))
    assert (found and found.text) == expected
    assert found is None or found.image == "a.jpg"
    assert change in CHANGES.values()


def test_a_picture_of_the_mean_colour() -> None:
    found = text_only(Post("a", Image.new("RGB", (8, 8), (10, 20, 30))))
    assert found is not None
    assert found.image.getpixel((3, 3)) == (10, 20, 30)
    assert text_only(Post("a", None)) is None


def test_steps_go_from_none_to_all() -> None:
    assert steps_of(2) == [0, 1, 2]
    assert steps_of(10) == [0, 2, 4, 6, 8, 10]


def test_rank_correlations_by_part() -> None:
    first = Attribution([1.0, 2.0, 3.0], [[1.0, 2.0], [3.0, 4.0]])
    second = Attribution([3.0, 2.0, 1.0], np.ones((2, 2)).tolist())
    assert correlation(first, second) == pytest.approx({"words": -1.0})
