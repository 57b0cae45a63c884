"""Posts with several pictures through training, evaluation and prediction."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from clfa import CLFAPredictor
from clfa.cli.main import app
from clfa.data.images import image_key
from clfa.errors import ModelError
from clfa.jobs.cluster_options import ClusterOptions
from clfa.modeling import CLFAForClassification
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.processing.processor import CLFAProcessor
from clfa.recipe import Recipe
from clfa.runs.corpus import load_corpus
from clfa.runs.encoded_splits import encode_split
from clfa.runs.encoders import load_encoders
from clfa.runs.evaluate import evaluate
from clfa.runs.guide import make_guide, split_pairs
from clfa.runs.train import train
from posts import make_posts, read_jsonl, write_jsonl

MakeRecipe = Callable[..., Recipe]
FROZEN = ("model.freeze_text_encoder=true", "model.freeze_vision_encoder=true")
PIXELS = ("model.freeze_text_encoder=true", "model.freeze_vision_encoder=true", "training.cache_features=false")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 posts with one, two, three pictures and one in a list, in turn; the second of post 2 cannot be read."""
    folder = tmp_path_factory.mktemp("several")
    rows = make_posts(folder)
    names = [row["image"] for row in rows]
    for number, row in enumerate(rows):
        count = (1, 2, 3, 1)[number % 4]
        row["image"] = [names[(number + other) % 64] for other in range(count)] if number % 4 else names[number]
    rows[2]["image"][1] = "images/absent.jpg"
    return write_jsonl(folder / "posts.jsonl", rows)


@pytest.fixture(scope="module")
def run(table: Path, tmp_path_factory: pytest.TempPathFactory, tiny_overrides: list[str]) -> Path:
    """A tiny training with cached features on the table."""
    from clfa.recipe import load_recipe

    path = tmp_path_factory.mktemp("runs") / "several"
    train(load_recipe("offline", [*tiny_overrides, *FROZEN, f"data.dir={table}"]), path)
    return path


def posts_of(table: Path, split: str | None = None) -> list[dict[str, Any]]:
    return [row for row in read_jsonl(table) if split in (None, row["split"])]


def by_hand(run: Path, table: Path, rows: list[dict[str, Any]]) -> np.ndarray:
    """Probabilities of the model on the joined tokens of each post's readable pictures."""
    model = CLFAForClassification.from_pretrained(run / "model").eval()
    processor = CLFAProcessor.from_pretrained(run / "model")
    found = []
    for row in rows:
        names = row["image"] if isinstance(row["image"], list) else [row["image"]]
        paths = [table.parent / name for name in names if (table.parent / name).exists()]
        with torch.no_grad():
            tokens = model.clfa._encode_images(processor(images=[str(path) for path in paths])["pixel_values"])
            text = processor(text=[row["text"]])
            logits = model(**text, image_features=tokens.flatten(0, 1)[None]).logits
        found.append((logits[0] / model.config.calibration["temperature"]).softmax(dim=-1).numpy())
    return np.array(found)


def test_training_counts_pictures(run: Path, table: Path, tiny_recipe: MakeRecipe) -> None:
    corpus = load_corpus(tiny_recipe(table))
    assert corpus.facts["pictures"] == {"several": 32, "ignored": 0, "unreadable": 1}
    assert sum(map(len, corpus.splits.values())) == 64
    assert read_jsonl(run / "dropped.jsonl") == []


@pytest.mark.parametrize(
    "way",
    ["trained", "evaluate", "predict_file", "predictor", "frame", pytest.param("ray", marks=pytest.mark.slow)],
)
def test_every_way_to_predict_gives_the_model_on_joined_tokens(
    way: str, run: Path, table: Path, tmp_path: Path
) -> None:
    rows = posts_of(table, "test" if way in ("trained", "evaluate") else None)
    if way == "trained":
        scored = read_jsonl(run / "predictions-test.jsonl")
        found = [one["probabilities"] for one in scored]
    elif way == "evaluate":
        evaluate(run, "test", output=tmp_path / "out")
        found = [one["probabilities"] for one in read_jsonl(tmp_path / "out" / "predictions-test.jsonl")]
    elif way in ("predictor", "frame"):
        frame = pd.DataFrame(rows)
        frame["image"] = frame["image"].map(lambda cell: _absolute(table, cell))
        predictor = CLFAPredictor.load(run, image_root=table.parent)
        found = predictor.predict_proba(table if way == "predictor" else frame).to_dict("records")
    else:
        options: dict[str, Any] = {}
        if way == "ray":
            pytest.importorskip("ray")
            options = {"engine": "ray", "cluster": ClusterOptions(workers=1), "shard_rows": 40}
        predict_file(run, table, tmp_path / "out.jsonl", **options)
        found = [one["probabilities"] for one in read_jsonl(tmp_path / "out.jsonl")]
    assert len(found) == len(rows)
    values = np.array([list(one.values()) for one in found])
    # Trained and evaluated with features in half precision.
    np.testing.assert_allclose(values, by_hand(run, table, rows), atol=5e-3 if len(rows) < 64 else 1e-4)


def _absolute(table: Path, cell: Any) -> Any:
    return [str(table.parent / one) for one in cell] if isinstance(cell, list) else str(table.parent / cell)


@pytest.mark.parametrize("options", [FROZEN, PIXELS], ids=["cached features", "pixels"])
def test_samples_of_a_split(options: tuple[str, ...], table: Path, tiny_recipe: MakeRecipe) -> None:
    recipe = tiny_recipe(table, *options)
    encoders = load_encoders(recipe)
    corpus = load_corpus(recipe)
    dataset = encode_split(recipe, corpus.splits["train"], encoders)
    name = "image_features" if options == FROZEN else "pixel_values"
    counts = [len(cell) for cell in corpus.splits["train"]["image"][:]]
    assert counts[:4] == [1, 2, 2, 1]
    shapes = [dataset[index][name].shape for index in range(4)]
    if options == FROZEN:
        assert shapes == [(5 * count, 24) for count in counts[:4]]
    else:
        assert shapes == [(3, 32, 32), (2, 3, 32, 32), (2, 3, 32, 32), (3, 32, 32)]


def test_training_on_pixels_and_on_features_is_the_same(
    table: Path, run: Path, tiny_recipe: MakeRecipe, tmp_path: Path
) -> None:
    train(tiny_recipe(table, *PIXELS), tmp_path / "pixels")
    expected, found = (read_jsonl(folder / "predictions-test.jsonl") for folder in (run, tmp_path / "pixels"))
    for one, other in zip(expected, found, strict=True):
        assert other["probabilities"] == pytest.approx(one["probabilities"], abs=2e-2)


def test_an_encoder_is_trained_through_all_pictures(table: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    options = ("model.freeze_vision_encoder=false", "training.epochs=1", "model.negatives=bank")
    result = train(tiny_recipe(table, *options), tmp_path / "run")
    assert 0 <= result.metrics["test"]["accuracy"] <= 1


def test_the_guides_embedding_is_the_mean_over_pictures(table: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny_recipe(table, *FROZEN)
    corpus, encoders = load_corpus(recipe), load_encoders(recipe, tmp_path)
    guide = make_guide(recipe, corpus, encoders)
    assert guide is not None
    split = corpus.splits["train"]
    _, images = guide.embed_pairs(split_pairs(split, encoders), tmp_path)
    single = guide.embed_images([one for cell in split["image"][:] for one in cell])
    starts = np.cumsum([0, *map(len, split["image"][:])])
    expected = [single[a:b].mean(axis=0) for a, b in pairwise(starts)]
    np.testing.assert_allclose(images, expected, atol=1e-5)


def test_the_fitted_guide_reads_mean_features(table: Path, tiny_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = tiny_recipe(table, *FROZEN, "guide={name: fitted, dim: 4, epochs: 2, conse: false}")
    corpus, encoders = load_corpus(recipe), load_encoders(recipe, tmp_path)
    guide = make_guide(recipe, corpus, encoders)
    assert guide is not None
    assert encoders.image is not None
    split = corpus.splits["train"]
    pairs = split_pairs(split, encoders)
    _, images = guide.embed_pairs(pairs, tmp_path)
    whitened = guide.image_whitenings[0](encoders.image.pooled_matrix(pairs.image_keys))  # type: ignore[attr-defined]
    np.testing.assert_allclose(images, guide.image_map(whitened), atol=1e-4)  # type: ignore[attr-defined]
    keys = {image_key(one) for cell in split["image"][:] for one in cell}
    assert len(encoders.image.pooled) == len(keys)


@pytest.mark.parametrize("options", [FROZEN, PIXELS], ids=["cached features", "pixels"])
def test_lists_of_one_train_the_same_model_bit_for_bit(
    options: tuple[str, ...], tiny_recipe: MakeRecipe, tmp_path: Path
) -> None:
    weights = []
    for name in ("plain", "lists"):
        rows = make_posts(tmp_path, 32)
        if name == "lists":
            rows = [{**row, "image": [row["image"]]} for row in rows]
        table = write_jsonl(tmp_path / f"{name}.jsonl", rows)
        train(tiny_recipe(table, *options, "training.epochs=1"), tmp_path / name)
        model = CLFAForClassification.from_pretrained(tmp_path / name / "model")
        weights.append((model.state_dict(), (tmp_path / name / "predictions-test.jsonl").read_text()))
    (one, predictions), (other, same) = weights
    assert predictions == same
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_baseline_that_reads_one_picture_says_so_before_training(
    table: Path, tiny_recipe: MakeRecipe, tmp_path: Path
) -> None:
    recipe = tiny_recipe(table, *FROZEN, "model.baseline=res_bert")
    with pytest.raises(ModelError, match=r"baseline 'res_bert' reads the class token of one image .*data.max_images=1"):
        train(recipe, tmp_path / "run")
    train(tiny_recipe(table, *FROZEN, "model.baseline=res_bert", "data.max_images=1"), tmp_path / "run")
    # The run reads one picture of each new post, too.
    found = PostClassifier.load(tmp_path / "run")([Post("so", _pictures(2)), Post("so", _pictures(2)[0])])
    assert [one.error for one in found] == [None, None]
    assert found[0].probabilities == pytest.approx(found[1].probabilities, abs=1e-6)


def _pictures(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (80 * number, 0, 200)) for number in range(count)]


def test_posts_with_several_pictures(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    classifier = PostClassifier.load(run, batch_size=2)
    two = _pictures(2)
    content = io.BytesIO()
    two[1].save(content, format="PNG")
    posts = [
        Post("so", two),
        Post("so", [two[0], content.getvalue()]),
        Post("so", two[::-1]),
        Post("so", [two[0], "absent.jpg", two[1]]),
        Post("so", [two[0]]),
        Post("so", two[0]),
        Post("so", []),
        Post("so", ["absent.jpg", b"no picture"]),
    ]
    with caplog.at_level(logging.WARNING):
        found = classifier(posts)
    for one in found[1:4]:
        assert one.probabilities == pytest.approx(found[0].probabilities, abs=1e-5)
    assert found[4].probabilities == pytest.approx(found[5].probabilities, abs=1e-6)
    assert found[0].probabilities != pytest.approx(found[5].probabilities, abs=1e-5)
    assert [one.reason for one in found[6:]] == ["missing image", "missing image"]
    assert found[7].error == "absent.jpg: image file not found"
    message = (
        "1 images cannot be read and were left out: their posts were predicted without them; for instance "
        "absent.jpg: image file"
    )
    assert message in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        ten, nine = classifier([Post("so", [*two] * 5), Post("so", [*two] * 4 + [two[0]])])
    assert ten.probabilities == pytest.approx(nine.probabilities, abs=1e-5)
    assert [record.message for record in caplog.records] == [
        "1 images were ignored: the model reads the first 9 of a post"
    ]


def test_a_model_of_one_picture_names_itself_in_the_row(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classifier = PostClassifier.load(run)
    classifier.runtime.several_images = False
    found = classifier([Post("so", _pictures(2)), Post("so", _pictures(1))])
    assert found[0].error == (
        "this export reads one image per post; export the run again, or predict with the engine torch"
    )
    assert (found[0].reason, found[1].error) == ("several images", None)


def test_the_command_takes_the_image_option_twice(run: Path, table: Path) -> None:
    runner = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    paths = [str(table.parent / "images" / f"{number}.jpg") for number in (0, 1)]
    result = runner.invoke(app, ["predict", str(run), "--text", "so", "--image", paths[0], "--image", paths[1]])
    assert result.exit_code == 0, result.output
    expected = PostClassifier.load(run)([Post("so", paths)])[0]
    for name, probability in expected.probabilities.items():
        assert f"{probability:6.1%}  {name}" in result.output
