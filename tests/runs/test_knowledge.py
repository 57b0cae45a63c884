"""Knowledge from recipe to prediction."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from clfa.errors import DataError, RecipeError
from clfa.knowledge import KNOWLEDGE_SOURCES
from clfa.knowledge.base import KnowledgeSource
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.recipe import Recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import cache_features, encode_split
from clfa.runs.encoders import load_encoders
from clfa.runs.evaluate import evaluate
from clfa.runs.names import check_names
from clfa.runs.train import train
from knowledge.wordnet import write_wordnet
from posts import read_jsonl

pytest.importorskip("nltk")


class ColourSource(KnowledgeSource):
    """Names the strongest colour of a picture."""

    name = "ocr"
    reads = "image"
    fingerprint = "colours"
    calls = 0

    @classmethod
    def from_recipe(cls, recipe: KnowledgeRecipe) -> ColourSource:
        return cls()

    def describe(self, contents: Sequence[Any]) -> list[str]:
        ColourSource.calls += len(contents)
        names = ("bad day woman", "great man", "")
        return [names[max(range(3), key=picture.resize((1, 1)).getpixel((0, 0)).__getitem__)] for picture in contents]


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ColourSource, "calls", 0)
    monkeypatch.setitem(KNOWLEDGE_SOURCES._entries, "ocr", f"{ColourSource.__module__}:ColourSource")


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("great\t3\nbad\t-2\nred\t-1\ngreen\t1\n")
    return [
        "model.use_knowledge=true",
        "knowledge.sources=[ocr, hashtags, column]",
        f"knowledge.lexicon_path={lexicon}",
        f"knowledge.wordnet_path={write_wordnet(tmp_path / 'dict')}",
        "knowledge.gamma=1.5",
        "knowledge.lambda1=2",
        "knowledge.lambda2=1",
    ]


def knowing(posts_csv: Path, folder: Path) -> tuple[Path, list[dict[str, str]]]:
    """The posts with a hashtag and a knowledge column in some of them, and copies of their pictures."""
    shutil.copytree(posts_csv.parent / "images", folder / "images", dirs_exist_ok=True)
    with posts_csv.open() as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["text"] += " #BadMan" if number % 3 == 0 else ""
        row["image"] = str(folder / row["image"])
        row["knowledge"] = "love" if number % 4 == 0 else ""
    path = folder / "knowing.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path, rows


@pytest.mark.parametrize("frozen", [True, False])
def test_trains_and_predicts_as_it_evaluated(
    frozen: bool, posts_csv: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str]
) -> None:
    table, rows = knowing(posts_csv, tmp_path)
    how = [f"model.freeze_text_encoder={str(frozen).lower()}", f"training.cache_features={str(frozen).lower()}"]
    recipe = tiny_recipe(table, *overrides, *how, "guide={name: none}")
    # Cached features are kept in half precision.
    tolerance = 2e-3 if frozen else 1e-5
    train(recipe, tmp_path / "run", cache=tmp_path / "cache")
    assert ColourSource.calls == 64
    scored = {row["id"]: row["probabilities"] for row in read_jsonl(tmp_path / "run" / "predictions-test.jsonl")}
    assert len(scored) == 16
    posts = [Post(row["text"], row["image"], row["knowledge"]) for row in rows if row["id"] in scored]
    # From the run and from its model directory alone.
    for place in ("run", "run/model"):
        predictor = PostClassifier.load(tmp_path / place)
        assert predictor.knowledge is not None
        for post, prediction, row in zip(
            posts, predictor(posts), [row for row in rows if row["id"] in scored], strict=True
        ):
            assert prediction.probabilities == pytest.approx(scored[row["id"]], abs=tolerance), post
    # Knowledge matters to the model, so equality says something.
    predictor.knowledge = None
    silent = predictor([Post(post.text, post.image) for post in posts])
    ids = [row["id"] for row in rows if row["id"] in scored]
    gap = max(abs(p.probabilities["good"] - scored[i]["good"]) for p, i in zip(silent, ids, strict=True))
    assert gap > 2 * tolerance
    before = ColourSource.calls
    metrics = evaluate(tmp_path / "run", cache=tmp_path / "cache")
    assert metrics["samples"] == 16
    assert ColourSource.calls == before
    again = {r["id"]: r["probabilities"] for r in read_jsonl(tmp_path / "run/evaluation-test/predictions-test.jsonl")}
    for name, probabilities in scored.items():
        assert again[name] == pytest.approx(probabilities, abs=1e-5)


def test_features_of_knowledge_stand_in_for_the_encoder(
    posts_csv: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str], monkeypatch: Any
) -> None:
    table, _ = knowing(posts_csv, tmp_path)
    recipe = tiny_recipe(table, *overrides, "model.knowledge_max_length=6")
    corpus = load_corpus(recipe, cache=tmp_path / "cache")
    encoders = load_encoders(recipe, tmp_path / "cache")
    cache_features(recipe, corpus, encoders)
    monkeypatch.setattr(FrozenEncoder, "encode_texts", lambda *args: pytest.fail("not cached"))
    split = corpus.splits["train"]
    dataset = encode_split(recipe, split, encoders)
    texts = split["knowledge"][:]
    assert None in texts
    for index in range(len(split)):
        sample = dataset[index]
        assert "knowledge_input_ids" not in sample
        if texts[index] is None:
            assert sample["knowledge_features"].shape == (0, 16)
            continue
        ids = encoders.processor.token_ids([texts[index]], 6)
        with torch.no_grad():
            hidden = encoders.text_encoder(input_ids=torch.tensor(ids)).last_hidden_state[0]
        torch.testing.assert_close(torch.tensor(sample["knowledge_features"]).float(), hidden, atol=2e-3, rtol=2e-3)


def test_without_use_knowledge_nothing_is_read(
    posts_csv: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str]
) -> None:
    recipe = tiny_recipe(posts_csv, *overrides, "model.use_knowledge=false", "knowledge.sources=[no-such]")
    check_names(recipe)
    corpus = load_corpus(recipe, cache=tmp_path)
    assert ColourSource.calls == 0
    assert set(corpus.splits["train"]["knowledge"][:]) == {None}
    assert load_encoders(recipe, tmp_path).processor.knowledge is None


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("knowledge.sources=[colum]", r"unknown knowledge source 'colum'.*Did you mean 'column'"),
        ("knowledge.lexicon=vadr", r"unknown lexicon 'vadr'.*Did you mean 'vader'"),
    ],
)
def test_names_are_checked_first(
    override: str, message: str, tiny_recipe: Callable[..., Recipe], overrides: list[str], tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        train(tiny_recipe(tmp_path / "absent.csv", *overrides, override), tmp_path / "run")


def test_no_pictures_for_a_source_that_looks_at_them(
    tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str]
) -> None:
    table = tmp_path / "texts.csv"
    table.write_text("text,label\n" + "".join(f"so {n},{'ab'[n % 2]}\n" for n in range(40)))
    recipe = tiny_recipe(table, *overrides, "model.vision_encoder=null")
    with pytest.raises(DataError, match="has no images, but the knowledge source ocr reads images"):
        load_corpus(recipe, cache=tmp_path)


def test_a_file_for_a_text_model_that_looks_at_pictures(
    posts_csv: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str], caplog: Any
) -> None:
    recipe = tiny_recipe(posts_csv, *overrides, "model.vision_encoder=null", "training.epochs=1")
    train(recipe, tmp_path / "run", cache=tmp_path / "cache")
    predictor = PostClassifier.load(tmp_path / "run")
    (tmp_path / "new.csv").write_text("text\nso sunny\n")
    with pytest.raises(DataError, match="no image column; name it with image="):
        predict_file(predictor, tmp_path / "new.csv", tmp_path / "out.jsonl")
    (tmp_path / "new.csv").write_text("text,image\nso sunny,absent.jpg\nso great,\n")
    summary = predict_file(predictor, tmp_path / "new.csv", tmp_path / "out.jsonl")
    # The text can be classified all the same.
    assert sum(summary.labels.values()) == 2
    assert "knowledge source ocr failed for 1 images" in caplog.text


def test_with_texts_and_pictures_missing(
    posts_csv: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str]
) -> None:
    table, rows = knowing(posts_csv, tmp_path)
    for number, row in enumerate(rows):
        row["text"] = "" if number % 5 == 0 else row["text"]
        row["image"] = "" if number % 5 == 1 else row["image"]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    allow = ["model.allow_missing_modalities=true", "model.modality_dropout=0.3"]
    recipe = tiny_recipe(table, *overrides, *allow)
    metrics = train(recipe, tmp_path / "run", cache=tmp_path / "cache").metrics
    # With the text withheld, a graph between text and knowledge has nothing to stand on.
    assert set(metrics["test"]["without"]) >= {"text", "image"}
    scored = {row["id"]: row["probabilities"] for row in read_jsonl(tmp_path / "run" / "predictions-test.jsonl")}
    kept = [row for row in rows if row["id"] in scored]
    assert {bool(row["text"]) for row in kept} == {bool(row["image"]) for row in kept} == {True, False}
    predictor = PostClassifier.load(tmp_path / "run", batch_size=3)
    for prediction, row in zip(
        predictor([Post(row["text"], row["image"], row["knowledge"]) for row in kept]), kept, strict=True
    ):
        assert prediction.probabilities == pytest.approx(scored[row["id"]], abs=2e-3)


def test_pictures_that_are_all_refused_are_the_reason_and_not_their_absence(
    posts_csv: Path, tmp_path: Path, tiny_recipe: Callable[..., Recipe], overrides: list[str]
) -> None:
    table, _ = knowing(posts_csv, tmp_path)
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=r"all 64 rows were left out.*64 x missing image"):
        load_corpus(tiny_recipe(table, *overrides))
