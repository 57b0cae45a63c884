from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clfa.errors import DataError, RecipeError
from clfa.guides.base import GuideContext, Pairs
from clfa.guides.clip import CLIPGuide
from clfa.guides.fitted import FittedGuide
from clfa.recipe import Recipe, load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import check_guide, make_guide
from clfa.runs.train import train
from posts import make_posts, picture, read_jsonl, write_csv


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
    loaded = CLIPGuide.from_context
    monkeypatch.setattr(
        CLIPGuide, "from_context", lambda given, **options: seen.append(given) or loaded(given, **options)
    )
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
    monkeypatch.setattr("clfa.runs.train_one.load_encoders", pytest.fail)
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


def _fitted_recipe(tiny_recipe: Callable[..., Recipe], table: Path, *overrides: str) -> Recipe:
    return tiny_recipe(table, "guide={name: fitted, epochs: 1, conse: false}", *overrides)


def test_other_pairs_without_those_of_validation_and_test(
    tiny_recipe: Callable[..., Recipe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows = make_posts(tmp_path)
    recipe = _fitted_recipe(tiny_recipe, write_csv(tmp_path / "posts.csv", rows), "training.epochs=1")
    held_out = [row for row in rows if row["split"] in ("validation", "test")]
    others = [{"caption": f"other {n}", "photo": row["image"]} for n, row in enumerate(rows) if row not in held_out]
    # The text of a test post with another picture, and the picture of a validation post with another text.
    test, validation = (next(row for row in rows if row["split"] == split) for split in ("test", "validation"))
    others += [{"caption": test["text"], "photo": rows[0]["image"]}, {"caption": "new", "photo": validation["image"]}]
    others += [{"caption": "gone", "photo": "gone.jpg"}]
    pairs = write_csv(tmp_path / "others.csv", others)
    recipe = recipe.model_copy(update={"guide": recipe.guide.model_copy(update={"pairs": [str(pairs)]})})
    contexts: list[GuideContext] = []
    fit = FittedGuide.from_context
    monkeypatch.setattr(
        FittedGuide, "from_context", lambda context, **options: contexts.append(context) or fit(context, **options)
    )
    with caplog.at_level(logging.INFO):
        result = train(recipe, tmp_path / "run", cache=tmp_path / "cache")
    assert "guide.pairs: 32 pairs; left out: 2 x held out, 1 x missing image" in caplog.text
    assert contexts[0].pairs is not None
    assert len(contexts[0].pairs) == 32
    assert contexts[0].other_pairs is not None
    assert [text for chunk in contexts[0].other_pairs for text in chunk.texts] == [
        row["caption"] for row in others[:32]
    ]
    expected = {"pairs": 32, "dropped": {"held out": 2, "missing image": 1}}
    assert result.metrics["guide"]["other_pairs"] == expected
    dropped = read_jsonl(result.folder.dropped)
    assert [(row["reason"], row["source"]) for row in dropped] == [
        ("held out", f"{pairs}:34"),
        ("held out", f"{pairs}:35"),
        ("missing image", f"{pairs}:36"),
    ]
    # A run that was cut short is not continued with other pairs.
    result.folder.metrics.unlink()
    write_csv(pairs, [{**others[0], "caption": "another"}, *others[1:]])
    with pytest.raises(
        DataError, match=r"the tables of guide\.pairs, .* have changed; resume=True needs those that the"
    ):
        train(recipe, tmp_path / "run", cache=tmp_path / "cache", resume=True)


def test_other_pairs_alone(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    posts = write_csv(tmp_path / "posts.csv", make_posts(tmp_path))
    others = make_posts(tmp_path / "others", 40, with_split=False)
    for number, row in enumerate(others):
        row["text"] += " in may"
        picture(tmp_path / "others" / row["image"], "red", 100 + number)
    table = write_csv(tmp_path / "others" / "posts.csv", others)

    def fingerprint(*overrides: str) -> str:
        recipe = _fitted_recipe(tiny_recipe, posts, *overrides)
        guide = make_guide(recipe, load_corpus(recipe), load_encoders(recipe, tmp_path / "cache"))
        assert guide is not None
        return guide.fingerprint

    place = f"guide.pairs={table}"
    own, both, alone = fingerprint(), fingerprint(place), fingerprint(place, "guide.own_pairs=false")
    assert len({own, both, alone}) == 3
    assert fingerprint(place, "guide.own_pairs=false", "guide.use_unlabelled=false") == alone


def test_other_pairs_for_a_guide_that_is_not_fitted(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe(posts_csv, "guide.pairs=others.csv")
    with pytest.raises(RecipeError, match=r"guide\.pairs are pairs to fit a guide on; the clip guide is not fitted"):
        make_guide(recipe, load_corpus(recipe), load_encoders(recipe, tmp_path / "cache"))


def test_no_pairs_at_all() -> None:
    with pytest.raises(RecipeError, match="own_pairs=false leaves no pairs to fit a guide on"):
        load_recipe("offline", ["guide.own_pairs=false"])
    assert load_recipe("offline", ["guide.pairs=a.csv", "guide.own_pairs=false"]).guide.pairs == ["a.csv"]
    assert load_recipe("offline", ["guide.pairs=[a.csv, b]"]).guide.pairs == ["a.csv", "b"]
