from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clfa.errors import DataError, RecipeError
from clfa.guides.base import GuideContext, Pairs
from clfa.guides.clip import CLIPGuide
from clfa.recipe import Recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import check_guide, make_guide
from clfa.runs.train import train
from posts import make_posts, write_csv


@pytest.mark.parametrize("use_unlabelled", [True, False])
def test_a_guide_is_fitted_on_training_and_unlabelled_pairs_alone(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use_unlabelled: bool
) -> None:
    rows = make_posts(tmp_path)
    for row in rows[:2]:
        row["label"] = ""
    recipe = tiny_recipe(write_csv(tmp_path / "posts.csv", rows), f"guide.use_unlabelled={use_unlabelled}")
    corpus = load_corpus(recipe)
    assert corpus.unlabelled is not None
    assert len(corpus.unlabelled) == 2
    seen: list[GuideContext] = []
    monkeypatch.setattr(CLIPGuide, "from_context", lambda context, **options: seen.append(context))
    make_guide(recipe, corpus, load_encoders(recipe, tmp_path / "cache"))

    def paths(split: Any) -> list[str]:
        return [image["path"] for image in split["image"]]

    expected = paths(corpus.splits["train"]) + (paths(corpus.unlabelled) if use_unlabelled else [])
    assert seen[0].pairs is not None
    assert [image["path"] for image in seen[0].pairs.images] == expected
    assert not set(expected) & {*paths(corpus.splits["validation"]), *paths(corpus.splits["test"])}


def test_where_selects_the_labelled_pairs_to_fit_and_to_check(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_posts(tmp_path)
    rows[0]["label"] = rows[1]["label"] = ""
    recipe = tiny_recipe(write_csv(tmp_path / "posts.csv", rows), "guide.where=label=good")
    corpus, encoders = load_corpus(recipe), load_encoders(recipe, tmp_path / "cache")
    context: list[GuideContext] = []
    loaded = CLIPGuide.from_context
    monkeypatch.setattr(
        CLIPGuide, "from_context", lambda given, **options: context.append(given) or loaded(given, **options)
    )
    guide = make_guide(recipe, corpus, encoders)
    good = [row["text"] for row in rows if row["split"] == "train" and row["label"] == "good"]
    assert context[0].pairs is not None
    assert context[0].pairs.texts == [*good, rows[0]["text"], rows[1]["text"]]
    assert guide is not None
    seen: list[Pairs] = []
    embed = guide.embed_pairs
    monkeypatch.setattr(guide, "embed_pairs", lambda pairs, cache: seen.append(pairs) or embed(pairs, cache))
    report = check_guide(recipe, guide, corpus, encoders)
    assert seen[0].texts == [row["text"] for row in rows if row["split"] == "validation" and row["label"] == "good"]
    assert report.candidates == 8


def test_a_wrong_where_is_refused_before_any_work(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clfa.runs.train.load_encoders", pytest.fail)
    with pytest.raises(RecipeError, match="there is no class 'great'; classes: bad, good"):
        train(tiny_recipe(posts_csv, "guide.where=label=great"), tmp_path / "run")


def test_no_validation_pair_that_matches(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    rows = [row for row in make_posts(tmp_path) if (row["split"], row["label"]) != ("validation", "good")]
    recipe = tiny_recipe(write_csv(tmp_path / "posts.csv", rows), "guide.where=label=good")
    corpus, encoders = load_corpus(recipe), load_encoders(recipe, tmp_path / "cache")
    guide = make_guide(recipe, corpus, encoders)
    assert guide is not None
    with pytest.raises(DataError, match="no validation sample with label=good has both text and image"):
        check_guide(recipe, guide, corpus, encoders)
