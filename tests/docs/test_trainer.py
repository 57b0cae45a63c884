from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from posts import LABELS, make_posts, write_csv

PAGE = Path(__file__).resolve().parents[2] / "docs" / "trainer.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directory with a table ``posts.csv`` of 32 posts, whose image paths are absolute."""
    folder = tmp_path_factory.mktemp("trainer")
    posts = make_posts(folder, 32, with_split=False)
    write_csv(folder / "posts.csv", [{**post, "image": str(folder / post["image"])} for post in posts])
    return folder


@pytest.fixture(scope="module")
def names(folder: Path, tiny_bert_dir: Path, tiny_vit_dir: Path, tiny_clip_dir: Path) -> dict[str, Any]:
    """What the page's code has defined after its last block."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 8
    found: dict[str, Any] = {
        "TEXT_ENCODER": str(tiny_bert_dir),
        "VISION_ENCODER": str(tiny_vit_dir),
        "CLIP": str(tiny_clip_dir),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), found)
    return found


def test_the_guide_takes_part_in_training(names: dict[str, Any]) -> None:
    logged = [log for log in names["trainer"].state.log_history if "loss_text_alignment" in log]
    assert len(logged) == 2
    assert all(log["loss_text_alignment"] > 0 and log["loss_image_alignment"] > 0 for log in logged)
    assert names["train_set"][0]["guide_text_embeds"].shape == (names["guide"].dim,)
    assert "guide_text_embeds" not in names["validation_set"][0]


def test_the_printed_accuracy_is_that_of_the_saved_model(names: dict[str, Any], folder: Path) -> None:
    rows = names["parts"]["test"]
    predictions = PostClassifier.load(folder / "model")([Post(row["text"], row["image"]) for row in rows])
    right = [
        prediction.label == names["label_names"][row["label"]]
        for prediction, row in zip(predictions, rows, strict=True)
    ]
    assert names["scores"]["eval_accuracy"] == sum(right) / len(rows)
    assert names["label_names"] == sorted(LABELS)


def test_what_was_saved_predicts_as_the_trained_model(names: dict[str, Any], folder: Path) -> None:
    posts = [Post(row["text"], row["image"]) for row in names["posts"]]
    predictions = PostClassifier.load(folder / "model")(posts)
    for prediction, row in zip(predictions, names["probabilities"].tolist(), strict=True):
        assert list(prediction.probabilities.values()) == pytest.approx(row, abs=1e-5)


def test_the_pipeline_gives_the_same(names: dict[str, Any]) -> None:
    post = names["posts"][0]
    found = {row["label"]: row["score"] for row in names["classify"]({"text": post["text"], "image": post["image"]})}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    expected = dict(zip(names["label_names"], names["probabilities"][0].tolist(), strict=True))
    assert found == pytest.approx(expected, abs=1e-5)
