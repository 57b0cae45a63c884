from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clfa.recipe import Recipe
from clfa.runs import yardsticks as module
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.train import train
from clfa.runs.training_targets import training_targets
from clfa.runs.yardsticks import RunYardsticks
from clfa.yardsticks import YARDSTICKS
from clfa.yardsticks.base import YardstickData
from posts import make_posts, write_csv

MakeRecipe = Callable[..., Recipe]
TUNED = ["model.freeze_text_encoder=false", "model.freeze_vision_encoder=false"]


def data_of(recipe: Recipe, *, score_test: bool = True) -> YardstickData:
    corpus = load_corpus(recipe)
    found = RunYardsticks(recipe, corpus, load_encoders(recipe), score_test=score_test)
    return found.data(training_targets(recipe, corpus))


def test_a_run_has_all_of_them(tiny_run: Path) -> None:
    metrics = json.loads((tiny_run / "metrics.json").read_text(encoding="utf-8"))
    assert list(metrics["yardsticks"]) == YARDSTICKS.names()
    assert metrics["yardsticks"]["majority"]["test"]["accuracy"] == 0.5
    # The text says the class.
    assert metrics["yardsticks"]["tfidf"]["test"]["accuracy"] == 1.0
    assert metrics["yardsticks"]["tfidf"]["test"]["samples"] == metrics["test"]["samples"]


def test_without_them_and_without_a_test_score(posts_csv: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny_recipe(posts_csv, "training.epochs=1")
    off = recipe.model_copy(update={"training": recipe.training.model_copy(update={"yardsticks": False})})
    assert "yardsticks" not in train(off, tmp_path / "off").metrics
    found = train(recipe, tmp_path / "on", score_test=False).metrics["yardsticks"]
    assert all("test" not in entry and "validation" in entry for entry in found.values())


def test_yardsticks_do_not_change_the_training(posts_csv: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    with_them = train(tiny_recipe(posts_csv, *TUNED, "training.epochs=1"), tmp_path / "with").metrics
    without = train(
        tiny_recipe(posts_csv, *TUNED, "training.epochs=1", "training.yardsticks=false"), tmp_path / "without"
    ).metrics
    del with_them["yardsticks"]
    for name in ("resources", "versions"):
        del with_them[name], without[name]
    assert with_them == without


def test_features_of_trained_encoders_are_those_before_training(
    posts_csv: Path, tiny_recipe: MakeRecipe, tmp_path: Path
) -> None:
    frozen = train(tiny_recipe(posts_csv, "training.epochs=1"), tmp_path / "frozen").metrics["yardsticks"]
    rate = "training.encoder_learning_rate=1e-1"
    tuned = train(tiny_recipe(posts_csv, *TUNED, rate, "training.epochs=1"), tmp_path / "tuned").metrics["yardsticks"]
    assert tuned == frozen


def test_many_posts_of_trained_encoders_have_no_features(
    posts_csv: Path, tiny_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ENCODED", 63)
    data = data_of(tiny_recipe(posts_csv, "model.freeze_text_encoder=1"))
    reason = "the text encoder is trained, and its features would have to be computed for 64 posts (limit 63)"
    assert data.absent == {"text_features": reason}
    assert data.splits["train"].text_features is None
    assert data.splits["train"].image_features is not None
    # Without the test split there are fewer.
    assert data_of(tiny_recipe(posts_csv, "model.freeze_text_encoder=1"), score_test=False).absent == {}


@pytest.mark.parametrize(
    ("override", "absent"),
    [
        ("model.vision_encoder=null", {"image_features": "the model reads no images"}),
        (
            "model.text_encoder=null",
            {"text_features": "the model reads no texts", "texts": "the model reads no texts"},
        ),
    ],
)
def test_a_yardstick_reads_what_the_model_reads(
    override: str, absent: dict[str, str], posts_csv: Path, tiny_recipe: MakeRecipe
) -> None:
    assert data_of(tiny_recipe(posts_csv, override, "guide.name=none")).absent == absent


def test_missing_texts_and_images(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = make_posts(tmp_path)
    rows[0]["text"], rows[1]["image"] = "", ""
    table = write_csv(tmp_path / "posts.csv", rows)
    recipe = tiny_recipe(table, "model.allow_missing_modalities=true")
    train_split = data_of(recipe).splits["train"]
    assert train_split.texts is not None
    assert train_split.texts[:2] == ["", rows[1]["text"]]
    assert train_split.text_features is not None
    assert train_split.image_features is not None
    assert np.flatnonzero(np.isnan(train_split.text_features).all(axis=1)).tolist() == [0]
    assert np.flatnonzero(np.isnan(train_split.image_features).all(axis=1)).tolist() == [1]


def test_features_are_the_encoders_means(posts_csv: Path, tiny_recipe: MakeRecipe) -> None:
    recipe = tiny_recipe(posts_csv)
    corpus, encoders = load_corpus(recipe), load_encoders(recipe)
    data = data_of(recipe)
    texts = corpus.splits["validation"]["text"][:]
    assert encoders.text is not None
    found = dict(zip(range(len(texts)), data.splits["validation"].text_features, strict=True))  # type: ignore[arg-type]
    for positions, arrays in encoders.text.encode_texts(texts, [0, 5]):
        for position, array in zip(positions, arrays, strict=True):
            np.testing.assert_allclose(found[position], array.mean(axis=0), atol=1e-6)


def test_a_large_training_split_is_thinned_out_evenly(
    posts_csv: Path, tiny_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(posts_csv)
    whole = data_of(recipe).splits
    monkeypatch.setattr(module, "MAX_TRAIN", 4)
    found = data_of(recipe).splits
    assert found["train"].texts == [whole["train"].texts[row] for row in (0, 10, 21, 31)]  # type: ignore[index]
    assert found["train"].labels.tolist() == whole["train"].labels[[0, 10, 21, 31]].tolist()
    assert (found["train"].image_features == whole["train"].image_features[[0, 10, 21, 31]]).all()  # type: ignore[index, union-attr]
    assert found["validation"].texts == whole["validation"].texts
