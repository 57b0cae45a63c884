from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clfa.cpu import memory, packed
from clfa.cpu.linear import Linear
from clfa.data.images import load_image
from clfa.errors import ModelError
from clfa.modeling import CLFAForClassification
from clfa.prediction.engines.base import RuntimeOutput
from clfa.prediction.engines.torch_engine import TorchRuntime
from clfa.prediction.post import Post, Prediction
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.processing.processor import CLFAProcessor
from clfa.processing.terms import Terms
from posts import LABELS, make_posts, read_jsonl, write_jsonl


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> PostClassifier:
    return PostClassifier.load(tiny_run, batch_size=4)


@pytest.fixture
def posts(tmp_path: Path) -> list[dict[str, Any]]:
    return [{k: row[k] for k in ("id", "text", "image")} for row in make_posts(tmp_path, 10)]


def test_predictions_are_the_models(predictor: PostClassifier, tiny_run: Path, posts: Any, tmp_path: Path) -> None:
    found = predictor([Post(row["text"], str(tmp_path / row["image"])) for row in posts])
    assert len(found) == 10
    model = CLFAForClassification.from_pretrained(tiny_run / "model").eval()
    processor = CLFAProcessor.from_pretrained(tiny_run / "model")
    for row, prediction in zip(posts, found, strict=True):
        with torch.no_grad():
            output = model(**processor(text=[row["text"]], images=[load_image(tmp_path / row["image"])]))
        expected = (output.logits[0] / model.config.calibration["temperature"]).softmax(dim=-1).numpy()
        np.testing.assert_allclose(list(prediction.probabilities.values()), expected, atol=1e-5)
        assert list(prediction.probabilities) == list(LABELS)
        assert prediction.label == LABELS[int(expected.argmax())]
        np.testing.assert_allclose(prediction.embedding, output.pooler_output[0], atol=1e-5)
        assert (prediction.error, prediction.reason) == (None, None)


def test_predictions_equal_those_of_the_evaluation(predictor: PostClassifier, tiny_run: Path, posts_csv: Path) -> None:
    import csv

    rows = {row["id"]: row for row in csv.DictReader(posts_csv.open())}
    scored = read_jsonl(tiny_run / "predictions-test.jsonl")
    found = predictor([Post(rows[s["id"]]["text"], posts_csv.parent / rows[s["id"]]["image"]) for s in scored])
    for score, prediction in zip(scored, found, strict=True):
        assert prediction.label == score["prediction"]
        # The run read its frozen encoders' features in half precision.
        assert prediction.probabilities == pytest.approx(score["probabilities"], abs=2e-3)


def test_texts_are_cleaned_as_in_training(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    plain, messy = predictor([Post("so sunny", image), Post(" so\u200b\n\tsunny\ue000\x00 ", image)])
    assert messy.probabilities == pytest.approx(plain.probabilities, abs=1e-6)
    # Half an emoji, as cut posts carry it, and a whole one in two halves.
    halved, whole = predictor([Post("so sunny \ud83d", image), Post("so sunny \ud83d\ude00", image)])
    assert halved.probabilities == pytest.approx(plain.probabilities, abs=1e-6)
    assert whole.error is None


def test_pictures_in_any_form(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    path = tmp_path / posts[0]["image"]
    content = path.read_bytes()
    forms = [path, str(path), content, {"bytes": content, "path": None}, Image.open(path)]
    found = predictor([Post("so sunny", form) for form in forms])
    for prediction in found:
        assert prediction.probabilities == pytest.approx(found[0].probabilities, abs=1e-6)


@pytest.mark.parametrize(
    ("post", "error", "reason"),
    [
        (Post(None, "x.jpg"), "empty text", "empty text"),
        (Post(" \n", "x.jpg"), "empty text", "empty text"),
        (Post(float("nan"), "x.jpg"), "empty text", "empty text"),  # type: ignore[arg-type]
        (Post("so", None), "missing image", "missing image"),
        (Post("so", ""), "missing image", "missing image"),
        (Post("so", "absent.jpg"), "absent.jpg: image file not found", "missing image"),
        (Post("so", b"no picture"), "<image bytes>: not an image in a format that is read", "unreadable image"),
        (Post("so", 3.5), "no image: expected bytes", "unreadable image"),
    ],
)
def test_posts_that_cannot_be_read(predictor: PostClassifier, post: Post, error: str, reason: str) -> None:
    good = Post("so sunny", Image.new("RGB", (8, 8)))
    before, failed, after = predictor([good, post, good])
    assert failed.error is not None
    assert failed.error.startswith(error)
    assert failed == Prediction(None, {}, None, failed.error, reason)
    assert before.probabilities == after.probabilities != {}


def test_very_long_texts_are_cut(predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    long, cut = predictor([Post("so sunny " * 50_000, image), Post("so sunny " * 200, image)])
    assert long.probabilities == pytest.approx(cut.probabilities, abs=1e-6)


def test_no_posts(predictor: PostClassifier) -> None:
    assert predictor([]) == []


def test_batches_do_not_matter(tiny_run: Path, posts: Any, tmp_path: Path) -> None:
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    one, many = (PostClassifier.load(tiny_run, batch_size=size)(rows) for size in (1, 64))
    for a, b in zip(one, many, strict=True):
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)


def test_order_is_that_of_the_posts(tiny_run: Path, posts: Any, tmp_path: Path) -> None:
    image = str(tmp_path / posts[0]["image"])
    rows = [Post("great red " * (7 * n % 11), image if n % 6 else "absent.jpg") for n in range(40)]
    single, sorted_ones = (PostClassifier.load(tiny_run, batch_size=size)(rows) for size in (1, 3))
    for post, a, b in zip(rows, single, sorted_ones, strict=True):
        assert (a.error, a.label) == (b.error, b.label)
        assert a.probabilities == pytest.approx(b.probabilities, abs=1e-5)
        assert (a.error is None) == (bool(post.text) and post.image == image)


def test_texts_of_like_length_share_a_batch(
    predictor: PostClassifier, tmp_path: Path, posts: Any, monkeypatch: Any
) -> None:
    lengths = []
    forward = TorchRuntime.__call__

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        lengths.append(inputs["attention_mask"].sum(axis=1).tolist())
        return forward(self, inputs)

    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    images = [str(tmp_path / row["image"]) for row in posts[:2]]
    predictor([Post("great " * (1 + 5 * n % 8), images[n // 8]) for n in range(16)])
    assert lengths == [[3, 3, 4, 4], [5, 5, 6, 6], [7, 7, 8, 8], [9, 9, 10, 10]]


def test_pictures_are_decoded_a_bounded_way_ahead(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [str(tmp_path / row["image"]) for row in posts]
    # Appending is safe in threads; adding is not.
    decoded: list[Any] = []
    ahead: list[int] = []
    pixels = PostClassifier._pixels

    def counted(self: PostClassifier, image: Any) -> Any:
        decoded.append(image)
        return pixels(self, image)

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        ahead.append(len(decoded) - 4 * len(ahead))
        return RuntimeOutput(np.zeros((len(inputs["input_ids"]), 2)), np.zeros((len(inputs["input_ids"]), 16)))

    monkeypatch.setattr(PostClassifier, "_pixels", counted)
    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    found = predictor([Post("so"[: 1 + n // 40] * (1 + n // 10 % 4), images[n % 10]) for n in range(80)])
    assert len(found) == 80
    assert len(decoded) == 80
    # Its own batch and at most two more.
    assert all(4 <= count <= 12 for count in ahead)


def test_equal_posts_are_predicted_on_once(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [str(tmp_path / row["image"]) for row in posts[:2]]
    rows = [Post("so sunny", images[0]), Post("so", images[0]), Post("so", images[1]), Post("so", "absent.jpg")]
    single = [predictor([row])[0] for row in rows]
    sizes = []
    forward = TorchRuntime.__call__

    def watch(self: TorchRuntime, inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        return forward(self, inputs)

    monkeypatch.setattr(TorchRuntime, "__call__", watch)
    order = [2, 0, 3, 1, 0, 2, 2, 3, 1]
    found = predictor([rows[place] for place in order])
    assert sizes == [3]
    for place, prediction in zip(order, found, strict=True):
        assert (prediction.label, prediction.error) == (single[place].label, single[place].error)
        assert prediction.probabilities == pytest.approx(single[place].probabilities, abs=1e-5)
    found[0].probabilities.clear()
    assert found[5].probabilities
    assert found[5].embedding is not found[6].embedding


def test_pictures_of_equal_posts_that_are_left_out_are_counted_each_time(
    tiny_run: Path, posts: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [str(tmp_path / row["image"]) for row in posts]
    predictor = PostClassifier.load(tiny_run, batch_size=4)
    rows = [Post("so", [images[0], "absent.jpg"]), Post("so", images)]
    predictor([rows[0], rows[1], rows[0], rows[0]])
    assert "3 images cannot be read and were left out" in caplog.text
    assert "1 images were ignored: the model reads the first 9 of a post" in caplog.text


def test_a_picture_that_cannot_be_prepared_fails_alone(
    predictor: PostClassifier, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = predictor.processor.pixel_array

    def fails(images: Any) -> Any:
        if images[0].width == 5:
            raise ValueError("no such size")
        return pixels(images)

    monkeypatch.setattr(predictor.processor, "pixel_array", fails)
    good, bad = predictor([Post("so", str(tmp_path / posts[0]["image"])), Post("so", Image.new("RGB", (5, 5)))])
    assert good.error is None
    assert bad.error == "<RGB image 5x5>: image cannot be prepared: no such size"
    assert bad.reason == "unreadable image"


def test_precision(tiny_run: Path, predictor: PostClassifier, posts: Any, tmp_path: Path) -> None:
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    exact, lower = predictor(rows), PostClassifier.load(tiny_run, precision="bf16")(rows)
    differences = [abs(a.probabilities["good"] - b.probabilities["good"]) for a, b in zip(exact, lower, strict=True)]
    assert 0 < max(differences) < 0.05
    if not torch.cuda.is_available():
        assert PostClassifier.load(tiny_run, precision="auto").runtime.precision == "fp32"  # type: ignore[attr-defined]


@pytest.mark.skipif(not packed.packing_pays(), reason="no products in bfloat16 here")
def test_many_posts_in_bfloat16_are_predicted_with_packed_weights(
    tiny_run: Path, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "_WORTHWHILE", 0)
    lower = PostClassifier.load(tiny_run, precision="bf16", batch_size=2)
    seen: list[tuple[bool, int]] = []
    layer = next(module for module in lower.model.modules() if type(module) is Linear)
    lower.model.register_forward_pre_hook(lambda *_: seen.append((layer.packed is not None, memory._users)))
    rows = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    lower(rows[:2])
    assert set(seen) == {(False, 0)}
    seen.clear()
    lower(rows)
    assert set(seen) == {(True, int(memory._allocator() is not None))}
    seen.clear()
    predict_file(lower, write_jsonl(tmp_path / "posts.jsonl", posts), tmp_path / "out.jsonl")
    assert set(seen) == {(True, int(memory._allocator() is not None))}
    assert layer.packed is None
    assert memory._users == 0


def test_a_model_directory_serves_as_well(
    tiny_run: Path, predictor: PostClassifier, posts: Any, tmp_path: Path
) -> None:
    plain = PostClassifier.load(tiny_run / "model")
    post = Post(posts[0]["text"], str(tmp_path / posts[0]["image"]))
    assert plain([post])[0].probabilities == pytest.approx(predictor([post])[0].probabilities, abs=1e-6)


def test_no_model(tmp_path: Path, tiny_bert_dir: Path, tiny_run: Path) -> None:
    with pytest.raises(ModelError, match="is not a model directory"):
        PostClassifier.load(tmp_path)
    with pytest.raises(ModelError, match="bert"):
        PostClassifier.load(tiny_bert_dir)
    shutil.copy(tiny_run / "recipe.yaml", tmp_path)
    with pytest.raises(ModelError, match="did not finish"):
        PostClassifier.load(tmp_path)


def test_terms_are_part_of_the_fingerprint(tiny_run: Path) -> None:
    found = []
    for terms in (None, Terms.fit(["so", "so"]), Terms.fit(["so", "so", "a"]), None):
        known = PostClassifier.load(tiny_run)
        known.processor.terms = terms
        found.append(known.fingerprint)
    assert found[0] == found[3]
    assert len(set(found)) == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_output_that_is_not_finite_is_no_prediction(
    tiny_run: Path, posts: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    predictor = PostClassifier.load(tiny_run)
    given = [Post(row["text"], str(tmp_path / row["image"])) for row in posts]
    expected = predictor(given)
    runtime = predictor.runtime

    def broken(inputs: Any) -> RuntimeOutput:
        output = runtime(inputs)
        output.logits[0, 1] = value
        return output

    monkeypatch.setattr(type(runtime), "__call__", type(runtime).__call__)
    predictor.runtime = type("Broken", (), {"__call__": lambda self, inputs: broken(inputs), "busy": runtime.busy})()
    found = predictor(given)
    failed = [prediction for prediction in found if prediction.error]
    assert [(one.label, one.error) for one in failed] == [(None, "the model's output is not a finite number")]
    others = [(a, b) for a, b in zip(found, expected, strict=True) if not a.error]
    assert all(a.probabilities == b.probabilities for a, b in others)


def test_a_processor_without_the_terms_of_its_model_is_refused(tiny_bert_dir: Path, tmp_path: Path) -> None:
    terms = Terms.fit(["so", "so", "sunny", "sunny"])
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir, None, ["a", "b"], hidden_size=8, blended=True, wide=True, num_terms=len(terms)
    )
    model.save_pretrained(tmp_path)
    processor = CLFAProcessor.from_encoders(tiny_bert_dir, None)
    for wrong, count in ((None, 0), (Terms.fit(["so", "so"]), 7)):
        processor.terms = wrong
        processor.save_pretrained(tmp_path)
        problem = f"the model reads {len(terms)} terms, and its processor has {count}; save both together"
        with pytest.raises(ModelError, match=problem):
            PostClassifier.load(tmp_path)
    processor.terms = terms
    processor.save_pretrained(tmp_path)
    assert PostClassifier.load(tmp_path)([Post("so sunny", None)])[0].error is None


def test_a_processor_of_another_model_is_refused(tiny_run: Path, tmp_path: Path) -> None:
    import json
    import shutil

    shutil.copytree(tiny_run / "model", tmp_path / "model")
    path = tmp_path / "model" / "processor_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "modalities": ["text"]}))
    with pytest.raises(ModelError, match="the model reads image, and its processor does not; save both together"):
        PostClassifier.load(tmp_path / "model")
