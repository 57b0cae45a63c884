from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clfa.guides.base import GuideContext
from clfa.guides.clip import CLIPGuide
from clfa.recipe import Recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import make_guide
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
