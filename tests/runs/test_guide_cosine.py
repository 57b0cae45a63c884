from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from clfa.recipe import Recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.guide_cosine import cosine_scores, fit_threshold, guide_cosine
from clfa.runs.train import train
from posts import make_posts, write_csv


def test_threshold_and_scores_by_hand() -> None:
    # Class 1 has the higher mean. Cut between 0.2 and 0.4: three of class 1 and the outlier 0.9 of class 0 above.
    cosines, labels = np.array([0.1, 0.2, 0.9, 0.4, 0.6, 0.8]), np.array([0, 0, 0, 1, 1, 1])
    threshold, above = fit_threshold(cosines, labels)
    assert (threshold, above) == (pytest.approx(0.3), 1)
    # F1 of class 0: 2 * 2 / (2 * 2 + 1), of class 1: 2 * 3 / (2 * 3 + 1). 6 of 9 pairs of classes are in order.
    assert cosine_scores(cosines, labels, threshold, above) == {
        "samples": 6,
        "accuracy": pytest.approx(5 / 6),
        "macro_f1": pytest.approx((0.8 + 6 / 7) / 2),
        "auc": pytest.approx(6 / 9),
    }


def test_the_class_with_the_higher_cosine_may_be_the_first() -> None:
    cosines, labels = np.array([0.9, 0.7, -0.1, -0.3]), np.array([0, 0, 1, 1])
    threshold, above = fit_threshold(cosines, labels)
    assert (threshold, above) == (pytest.approx(0.3), 0)
    other = cosine_scores(np.array([0.4, 0.31, 0.29]), np.array([0, 1, 1]), threshold, above)
    assert (other["accuracy"], other["auc"]) == (pytest.approx(2 / 3), 1)
    assert cosine_scores(np.array([0.4]), np.array([0]), threshold, above)["auc"] is None


def test_equal_cosines_have_a_threshold() -> None:
    assert fit_threshold(np.array([0.5, 0.5]), np.array([0, 1])) == (0.5, 1)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 1)), min_size=2, max_size=30))
def test_no_other_threshold_is_better(samples: list[tuple[int, int]]) -> None:
    cosines, labels = np.array([c / 10 for c, _ in samples]), np.array([label for _, label in samples])
    if len(set(labels.tolist())) < 2 or len(set(cosines.tolist())) < 2:
        return
    threshold, above = fit_threshold(cosines, labels)

    def macro_f1(cut: float) -> float:
        predicted = np.where(cosines > cut, above, 1 - above)
        return float(f1_score(labels, predicted, average="macro", labels=[0, 1], zero_division=0))

    inner = np.unique(cosines)
    assert macro_f1(threshold) == pytest.approx(max(map(macro_f1, (inner[:-1] + inner[1:]) / 2)))


class Plane:
    """A guide in the plane: the text points right; the picture of a ``1`` points right, of a ``0`` up."""

    def embed_pairs(self, pairs: Any, cache: Path) -> tuple[np.ndarray, np.ndarray]:
        texts = np.array([[2.0, 0.0] if text else [0.0, 0.0] for text in pairs.texts])
        images = np.array([[3.0, 0.1] if text.endswith("yes") else [0.1, 3.0] for text in pairs.texts])
        return texts, images


def two_classes(folder: Path) -> Path:
    rows = make_posts(folder)
    for number, row in enumerate(rows):
        row["label"] = "match" if number % 2 else "no-match"
        row["text"] = f"{row['text']} {'yes' if number % 2 else 'no'}"
    return write_csv(folder / "posts.csv", rows)


def test_scores_of_a_perfect_guide(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = tiny_recipe(two_classes(tmp_path))
    corpus = load_corpus(recipe)
    encoders = load_encoders(recipe, tmp_path / "cache")
    found = guide_cosine(Plane(), corpus, encoders, ["validation", "test", "other"])["cosine"]  # type: ignore[arg-type]
    assert list(found) == ["threshold", "class_above", "validation", "test"]
    assert found["class_above"] == "match"
    assert 0.1 < found["threshold"] < 0.9
    size = len(corpus.splits["test"])
    assert found["test"] == {"samples": size, "accuracy": 1.0, "macro_f1": 1.0, "auc": 1.0}


def test_other_tasks_have_no_cosine(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    rows = make_posts(tmp_path)
    for number, row in enumerate(rows):
        row["label"] = ("a", "b", "c")[number % 3]
    recipe = tiny_recipe(write_csv(tmp_path / "posts.csv", rows))
    corpus = load_corpus(recipe)
    assert guide_cosine(Plane(), corpus, load_encoders(recipe, tmp_path / "cache"), ["test"]) == {}  # type: ignore[arg-type]


def test_a_run_writes_it_and_leaves_the_test_split_alone(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    recipe = tiny_recipe(two_classes(tmp_path), "training.epochs=1")
    train(recipe, tmp_path / "run", score_test=False)
    guide = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))["guide"]
    assert list(guide["cosine"]) == ["threshold", "class_above", "validation"]
    assert set(guide["cosine"]["validation"]) == {"samples", "accuracy", "macro_f1", "auc"}
