from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import pipeline
from transformers.pipelines import PIPELINE_REGISTRY

import clfa
from clfa.data.images import load_image
from clfa.errors import DataError
from clfa.modeling import CLFAForClassification
from clfa.prediction.pipeline import TASK
from clfa.prediction.post import Post
from clfa.processing.processor import CLFAProcessor


@pytest.fixture(scope="module")
def classify(tiny_run: Path) -> Any:
    clfa.register_pipeline()
    return pipeline("image-text-classification", model=str(tiny_run / "model"), device="cpu")


@pytest.fixture(scope="module")
def posts(posts_csv: Path) -> list[dict[str, Any]]:
    texts = ["what a great red day", "what a bad blue day today", "bad"]
    return [{"text": text, "image": str(posts_csv.parent / f"images/{n}.jpg")} for n, text in enumerate(texts)]


def probabilities(folder: Path, post: dict[str, Any]) -> dict[str, float]:
    """The model's own."""
    model = CLFAForClassification.from_pretrained(folder).eval()
    processor = CLFAProcessor.from_pretrained(folder)
    with torch.no_grad():
        logits = model(**processor(text=post["text"], images=load_image(post["image"]))).logits
    return calibrated(model, logits)


def calibrated(model: CLFAForClassification, logits: torch.Tensor) -> dict[str, float]:
    """Probabilities of the first row."""
    row = (logits[0] / model.config.calibration["temperature"]).softmax(-1)
    return dict(zip(model.config.label_names, row.tolist(), strict=True))


def test_a_post_with_several_pictures(classify: Any, tiny_run: Path, posts: list[dict[str, Any]]) -> None:
    both = {"text": "what a great red day", "image": [post["image"] for post in posts[:2]]}
    model = CLFAForClassification.from_pretrained(tiny_run / "model").eval()
    processor = CLFAProcessor.from_pretrained(tiny_run / "model")
    with torch.no_grad():
        expected = calibrated(model, model(**processor(text=[both["text"]], images=[both["image"]])).logits)
    assert {one["label"]: one["score"] for one in classify(both)} == pytest.approx(expected, abs=1e-5)


def test_a_post_gets_the_models_probabilities(classify: Any, tiny_run: Path, posts: list[dict[str, Any]]) -> None:
    found = classify(posts[0])
    assert {row["label"]: row["score"] for row in found} == pytest.approx(
        probabilities(tiny_run / "model", posts[0]), abs=1e-6
    )
    assert [row["score"] for row in found] == sorted((row["score"] for row in found), reverse=True)
    assert classify(posts[0], top_k=1) == found[:1]


@pytest.mark.parametrize("batch_size", [1, 2])
def test_several_posts(classify: Any, posts: list[dict[str, Any]], batch_size: int) -> None:
    alone = [{row["label"]: row["score"] for row in classify(post)} for post in posts]
    together = [{row["label"]: row["score"] for row in found} for found in classify(posts, batch_size=batch_size)]
    for one, other in zip(alone, together, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_pairs_and_posts(classify: Any, posts: list[dict[str, Any]]) -> None:
    expected = classify(posts)
    assert classify([(post["text"], post["image"]) for post in posts]) == expected
    assert classify([Post(**post) for post in posts]) == expected


def test_what_is_not_a_post_is_refused(classify: Any, posts: list[dict[str, Any]]) -> None:
    with pytest.raises(TypeError, match="takes mappings with text, image, knowledge; got str"):
        classify("so sunny")
    with pytest.raises(TypeError, match="reads no 'picture'; give text, image, knowledge"):
        classify({"text": "so sunny", "picture": "a.jpg"})
    with pytest.raises(TypeError, match="has no argument 'k'; it takes top_k"):
        classify(posts[0], k=1)
    with pytest.raises(DataError, match=r"cannot predict on this post: .*nowhere\.jpg"):
        classify({"text": "so sunny", "image": "nowhere.jpg"})


def test_registering_twice_changes_nothing(classify: Any) -> None:
    clfa.register_pipeline()
    assert PIPELINE_REGISTRY.get_supported_tasks().count(TASK) == 1
