"""Posts that lack their text or picture, from the table to predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clfa.cli.main import app
from clfa.data import read_corpus, validate
from clfa.errors import RecipeError
from clfa.evaluation.inference import infer
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.recipe import Recipe, load_recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import encode_split
from clfa.runs.encoders import load_encoders
from clfa.runs.guide import make_guide
from clfa.runs.train import train
from clfa.targets.probabilities import softmax
from posts import make_posts, read_jsonl, write_csv

ALLOW = ["model.allow_missing_modalities=true", "model.modality_dropout=0.3"]


@pytest.fixture(scope="module")
def gappy_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 synthetic posts; of every 8 one lacks its text, one its image, one both, and one has a broken image."""
    folder = tmp_path_factory.mktemp("gappy")
    rows = make_posts(folder)
    for number, row in enumerate(rows):
        if number % 8 in (0, 3):
            row["text"] = ""
        if number % 8 in (1, 3):
            row["image"] = ""
        if number % 8 == 2:
            (folder / row["image"]).write_bytes(b"not a picture")
    return write_csv(folder / "posts.csv", rows)


@pytest.fixture(scope="module")
def recipe(gappy_csv: Path, tiny_overrides: list[str]) -> Recipe:
    return load_recipe("offline", [*tiny_overrides, *ALLOW, f"data.dir={gappy_csv}"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> Path:
    path = tmp_path_factory.mktemp("runs") / "gappy"
    train(recipe, path)
    return path


def test_without_leave_every_incomplete_sample_is_dropped(gappy_csv: Path) -> None:
    corpus = validate(read_corpus("table", gappy_csv), progress=False)
    assert sum(map(len, corpus.splits.values())) == 32
    assert corpus.dropped_counts() == {"empty text": 16, "missing image": 8, "unreadable image": 8}
    assert "incomplete" not in corpus.facts


def test_with_leave_only_what_has_neither_is_dropped(gappy_csv: Path) -> None:
    corpus = validate(read_corpus("table", gappy_csv), allow_missing=True, progress=False)
    assert corpus.dropped_counts() == {"neither text nor image": 8}
    assert corpus.facts["incomplete"] == {"empty text": 8, "missing image": 8, "unreadable image": 8}
    train_split = corpus.splits["train"]
    # The broken picture is gone for good: nothing later stumbles over it.
    assert [row["image"] is None for row in train_split][:7] == [False, True, True, False, False, False, False]


def test_metrics_tell_what_was_incomplete_and_what_each_modality_is_worth(run: Path) -> None:
    metrics: dict[str, Any] = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["data"]["incomplete"] == {"empty text": 8, "missing image": 8, "unreadable image": 8}
    assert metrics["test"]["samples"] == 14
    assert set(metrics["test"]["without"]) == {"text", "image"}
    assert set(metrics["test"]["without"]["text"]) >= {"accuracy", "macro_f1", "weighted_f1"}
    assert metrics["test"]["student_retrieval"]["candidates"] == 8
    assert metrics["guide"]["validation_retrieval"]["candidates"] == 8


def test_a_picture_that_cannot_be_read_is_told(run: Path, gappy_csv: Path, caplog: pytest.LogCaptureFixture) -> None:
    # The wrong folder: each answer would be that of the text alone, without a word.
    predictor = PostClassifier.load(run, batch_size=5)
    posts = [Post("so sunny", "nowhere/a.jpg"), Post("so sunny", None), Post("so rainy", "nowhere/b.jpg")]
    found = predictor([*posts, posts[0]])
    assert [one.error for one in found] == [None] * 4
    assert found[0].probabilities == found[1].probabilities
    assert [record.message for record in caplog.records] == [
        "3 images cannot be read and were left out: their posts were predicted without them; for instance "
        "nowhere/b.jpg: image file not found"
    ]


def test_prediction_equals_evaluation_and_withholding(run: Path, recipe: Recipe, gappy_csv: Path) -> None:
    evaluated = {row["id"]: row["probabilities"]["good"] for row in read_jsonl(run / "predictions-test.jsonl")}
    predictor = PostClassifier.load(run, batch_size=5)
    summary = predict_file(predictor, gappy_csv, run / "predicted.jsonl")
    predicted = {row["id"]: row for row in read_jsonl(run / "predicted.jsonl")}
    assert summary.failures == {"missing image": 8}
    for sample, probability in evaluated.items():
        assert predicted[sample]["probabilities"]["good"] == pytest.approx(probability, abs=1e-4)

    corpus = load_corpus(recipe)
    dataset = encode_split(recipe, corpus.splits["test"], load_encoders(recipe))
    temperature = predictor.config.calibration["temperature"]
    without_image = softmax(infer(predictor.model, dataset, without="image").logits / temperature)[:, 1]
    texts = corpus.splits["test"]["text"][:]
    alone = [prediction.probabilities.get("good") for prediction in predictor([Post(text=text) for text in texts])]
    for text, expected, found in zip(texts, without_image, alone, strict=True):
        if text:
            assert found == pytest.approx(expected, abs=1e-4)


def test_frozen_encoders_with_cached_features_give_the_same_samples(
    recipe: Recipe, tmp_path: Path, gappy_csv: Path, tiny_overrides: list[str]
) -> None:
    frozen = load_recipe(
        "offline",
        [
            *tiny_overrides,
            *ALLOW,
            f"data.dir={gappy_csv}",
            "model.freeze_text_encoder=true",
            "model.freeze_vision_encoder=true",
        ],
    )
    corpus = load_corpus(frozen)
    encoders = load_encoders(frozen)
    sample = encode_split(frozen, corpus.splits["train"], encoders, make_guide(frozen, corpus, encoders))
    no_text, no_image = sample[0], sample[1]
    assert no_text["text_features"].shape == (0, 16)
    assert not np.any(no_text["guide_text_embeds"])
    assert np.any(no_text["guide_image_embeds"])
    assert no_image["image_features"] is None
    assert not np.any(no_image["guide_image_embeds"])
    result = train(frozen, tmp_path / "run")
    assert result.metrics["test"]["samples"] == 14


def test_a_model_without_leave_still_reports_failures(tiny_run: Path) -> None:
    predictions = PostClassifier.load(tiny_run)([Post(text="a great day"), Post(text="")])
    assert [prediction.reason for prediction in predictions] == ["missing image", "empty text"]


def test_modality_dropout_needs_leave(tiny_overrides: list[str]) -> None:
    with pytest.raises(RecipeError, match="modality_dropout needs allow_missing_modalities=true"):
        load_recipe("offline", [*tiny_overrides, "model.modality_dropout=0.1"])


def test_the_command_line_tells_it(
    tmp_path: Path, gappy_csv: Path, tiny_overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "offline", *tiny_overrides, *ALLOW, "--data-dir", str(gappy_csv)]
    app([*arguments, "--output", str(tmp_path / "run")], standalone_mode=False)
    shown = capsys.readouterr().out
    assert "kept with one modality: 8 x missing image" in shown
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text(encoding="utf-8"))
    worth = metrics["test"]["without"]["image"]
    line = next(line for line in shown.partition("test ")[2].splitlines() if "without image" in line)
    assert f"{100 * worth['accuracy']:.1f}" in line
