from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from clfa.data import Corpus, Dropped, read_corpus
from clfa.data.class_counts import absent_classes
from clfa.data.concerns import data_concerns
from clfa.data.image_check import MISSING


def _corpus(labels: list[Any], validation: int = 60, **options: Any) -> Corpus:
    """Return a corpus with these training labels, and a validation split with each of them in turn."""
    classes = list(dict.fromkeys(labels))
    rows = [{"text": f"post {n}", "label": label, "split": "train"} for n, label in enumerate(labels)]
    rows += [
        {"text": f"held out {n}", "label": classes[n % len(classes)], "split": "validation"} for n in range(validation)
    ]
    return read_corpus("table", rows, **options)


def _found(corpus: Corpus, shared: Mapping[str, Mapping[str, int]] | None = None) -> str:
    return "\n".join(data_concerns(corpus, shared or {}))


def test_nothing_is_said_of_sound_data() -> None:
    assert _found(_corpus(["a", "b"] * 10), {"text": {"validation": 0}}) == ""
    assert _found(_corpus([1, 2, 3] * 10)) == ""


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["a"] * 20, "All 20 training posts have the class 'a'; there is nothing to learn."),
        (["Yes", "yes "] * 10 + ["no"] * 10, "form of characters only: 'Yes' and 'yes'. They"),
        (["ﬁne", "fine"] * 10, "'fine' and 'ﬁne'"),
        (["a"] * 20 + ["b"] * 4, "1 of 2 classes have fewer than 5 training posts: 'b' (4). They"),
        ([f"text {n}" for n in range(9)] * 2 + ["a"], "There are 10 classes for 19 training posts. Is"),
        (
            [n for n in range(25) for _ in range(5)],
            "The 25 classes are all numbers (0, 1, 2, 3, 4, ...), which are learnt as unrelated classes. If",
        ),
    ],
    ids=["one class", "case", "ligature", "small", "unique", "numbers"],
)
def test_labels(labels: list[Any], expected: str) -> None:
    found = _found(_corpus(labels))
    assert expected in found
    assert found.count("\n") == 0


def test_targets_are_named() -> None:
    corpus = _corpus(["a", "b"] * 10, targets={"mood": {"column": "label", "label_names": ["a", "b", "A"]}})
    assert "Classes of target 'mood' differ in letter case" in _found(corpus)


@pytest.mark.parametrize(("size", "said"), [(1, "1 post: scores on it vary by up"), (25, "about 20 points")])
def test_a_small_validation_split(size: int, said: str) -> None:
    assert said in _found(_corpus(["a", "b"] * 10, size))


def test_most_images_are_missing() -> None:
    corpus = _corpus(["a", "b"] * 10)
    corpus.dropped = [Dropped("", "train", "", MISSING, "no.jpg: image file not found")] * 81
    assert "81 of 161 posts have no image that can be read: no.jpg: image file not found. Paths" in _found(corpus)
    corpus.dropped.pop()
    assert _found(corpus) == ""
    corpus.dropped, corpus.facts["incomplete"] = [], {MISSING: 41}
    assert "41 of 80 posts have no image" in _found(corpus)


def test_posts_of_training_in_other_splits() -> None:
    corpus = _corpus(["a", "b"] * 10)
    shared = {"text": {"validation": 3, "test": 0}, "image": {"validation": 2}}
    assert _found(corpus, shared).startswith("Of 60 validation posts, 3 the text and 2 the image of a training post")
    assert _found(corpus, {"text": {"validation": 0}, "image": {}}) == ""


@pytest.mark.parametrize(
    ("held_out", "expected"),
    [
        ("ab", "No validation post has the class 'c': scores on validation do not show how well it is recognised."),
        (
            "a",
            "has the class 'b', 'c' (2 of 3 classes): scores on validation do not show how well they are recognised.",
        ),
        ("abc", ""),
    ],
)
def test_classes_that_are_in_training_only(held_out: str, expected: str) -> None:
    rows = [{"text": f"post {n}", "label": "abc"[n % 3], "split": "train"} for n in range(30)]
    rows += [{"text": f"held out {n}", "label": held_out[n % len(held_out)], "split": "validation"} for n in range(60)]
    corpus = read_corpus("table", rows)
    assert _found(corpus) == expected or (expected and _found(corpus).endswith(expected))
    absent = absent_classes(corpus, "validation")
    assert absent == ({"label": sorted(set("abc") - set(held_out))} if expected else {})
    assert absent_classes(corpus, "test") == {}
