from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.guides.base import GuideContext
from clfa.guides.clip import CLIPGuide
from clfa.recipe import Recipe, load_recipe
from clfa.runs.prepare import Preparation, load_corpus
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
    Preparation(recipe, corpus, cache=tmp_path / "cache").guide()

    def paths(split: Any) -> list[str]:
        return [image["path"] for image in split["image"]]

    expected = paths(corpus.splits["train"]) + (paths(corpus.unlabelled) if use_unlabelled else [])
    assert seen[0].pairs is not None
    assert [image["path"] for image in seen[0].pairs.images] == expected
    assert not set(expected) & {*paths(corpus.splits["validation"]), *paths(corpus.splits["test"])}


def test_shuffled_guide_gives_the_same_embeddings_to_other_samples(tiny_overrides: list[str], posts_csv: Path) -> None:
    embeds = []
    for shuffle in ("false", "true", "true"):
        recipe = load_recipe("offline", [*tiny_overrides, f"data.dir={posts_csv}", f"guide.shuffle={shuffle}"])
        corpus = load_corpus(recipe)
        preparation = Preparation(recipe, corpus)
        dataset = preparation.dataset(corpus.splits["train"], preparation.guide())
        assert dataset.guide_embeds is not None
        embeds.append(np.concatenate(dataset.guide_embeds, axis=1))
    right, shuffled, again = embeds
    assert np.array_equal(shuffled, again)
    moved = (right != shuffled).any(axis=1)
    assert moved.mean() > 0.8
    # The same pairs of embeddings, in another order.
    np.testing.assert_array_equal(np.sort(right, axis=0), np.sort(shuffled, axis=0))
    assert {row.tobytes() for row in right} == {row.tobytes() for row in shuffled}
