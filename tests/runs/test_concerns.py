from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.recipe import Recipe
from clfa.runs.concerns import run_concerns
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.train import train
from posts import make_posts, write_csv

MakeRecipe = Callable[..., Recipe]


def _concerns(recipe: Recipe) -> str:
    return "\n".join(run_concerns(recipe, load_corpus(recipe), load_encoders(recipe)))


def test_equal_posts_texts_that_are_cut_and_a_small_validation_split(tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    rows = make_posts(tmp_path)
    rows[16] |= {"text": "  WHAT a bad red day 0"}
    rows[17] |= {"image": rows[0]["image"]}
    assert [rows[16]["split"], rows[17]["split"]] == ["validation", "validation"]
    recipe = tiny_recipe(write_csv(tmp_path / "posts.csv", rows), "model.max_length=4")
    found = _concerns(recipe)
    assert "Of 16 validation posts, 1 the text and 1 the image of a training post: the score" in found
    assert "100% of the training texts have more than 4 tokens and are cut; model.max_length is" in found
    assert "The validation split has 16 posts: scores on it vary by up to about 25 points by chance" in found


def test_thresholds_of_few_posts(tiny_recipe: MakeRecipe, posts_csv: Path) -> None:
    targets = "data.targets={mood: {column: label, problem_type: multi_label_classification}}"
    recipe = tiny_recipe(posts_csv, targets, "training.tune_thresholds=true")
    found = _concerns(recipe)
    assert "chooses the thresholds of 2 of 2 classes of target 'mood' on fewer than 10 validation posts each" in found
    assert "'bad' (8), 'good' (8)" in found
    assert "thresholds" not in _concerns(tiny_recipe(posts_csv, targets))


def test_a_training_says_and_keeps_its_warnings_once(
    tiny_recipe: MakeRecipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{**row, "text": f"今天天气很好 {n} 我们去公园"} for n, row in enumerate(make_posts(tmp_path))]
    recipe = tiny_recipe(
        write_csv(tmp_path / "posts.csv", rows), "model.alpha=0", "training.epochs=1", "training.yardsticks=false"
    )
    with caplog.at_level(logging.WARNING):
        metrics = train(recipe, tmp_path / "run", score_test=False).metrics
    (unknown, small) = sorted(metrics["warnings"])
    assert "of the tokens of the training texts are unknown to the text encoder: it does not know" in unknown
    assert "hfl/chinese-roberta-wwm-ext" in unknown
    assert small.startswith("The validation split has 16 posts")
    assert [caplog.messages.count(line) for line in (unknown, small)] == [1, 1]
