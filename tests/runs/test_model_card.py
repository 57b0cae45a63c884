from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from clfa.recipe import load_recipe
from clfa.runs.model_card import CARD_FILE, model_card, write_model_card
from clfa.runs.run_folder import RunFolder
from clfa.targets.target import Target

HOSTILE = "---\n<script>alert(1)</script> | [x](javascript:x) `c` ```\n# heading"


def scores(value: float, **more: Any) -> dict[str, Any]:
    return {"samples": 4, "macro_f1": value, "accuracy": value, "weighted_f1": value, **more}


@pytest.fixture
def metrics() -> dict[str, Any]:
    calibration = {"temperature": 1.2, "after": {"ece": 0.031, "nll": 0.5, "brier": None}}
    return {
        "data": {"name": HOSTILE, "samples": {"train": 1200, "validation": 4}, "dropped": {HOSTILE: 3}},
        "validation": scores(0.5, calibration=calibration),
        "test": scores(0.25),
        "yardsticks": {"tfidf": {"validation": scores(0.75), "test": scores(0.5)}, "pooled": {"reason": "none"}},
        "warnings": [HOSTILE],
        "versions": {"clfa": "0.1.0"},
    }


def test_figures_beside_the_yardsticks(metrics: dict[str, Any]) -> None:
    targets = [Target("label", label_names=("bad", "good"))]
    text = model_card(load_recipe("offline"), metrics, targets)
    lines = text.splitlines()
    assert "- label (single label classification): bad, good" in lines
    assert "|  | validation macro-F1 | test macro-F1 |" in lines
    assert "| this model | 50.0 | 25.0 |" in lines
    assert "| tfidf | 75.0 | 50.0 |" in lines
    assert "| validation | 0.031 | 0.500 | – |" in lines
    assert "| train | 1,200 |" in lines
    assert "- It is not above the best yardstick on validation: a plain linear model does as well." in lines
    card = ModelCard(text)
    assert card.data.library_name == "clfa"
    assert "single_label_classification" in card.data.tags
    found = {(one.dataset_split, one.metric_name): one.metric_value for one in card.data.eval_results}
    assert found == {
        ("validation", "accuracy"): 0.5,
        ("validation", "macro-F1"): 0.5,
        ("test", "accuracy"): 0.25,
        ("test", "macro-F1"): 0.25,
    }
    assert card.data.license is None


def test_other_targets_and_nothing_to_compare_with(metrics: dict[str, Any]) -> None:
    only = {"data": metrics["data"], "validation": {"samples": 4, "score": 0.5, "targets": {}}}
    targets = [Target("grade", "regression"), Target("topic", label_names=tuple(map(str, range(40))))]
    lines = model_card(load_recipe("offline"), only, targets).splitlines()
    assert "| this model | 0.500 |" in lines
    assert any(line.startswith("No yardsticks were computed") and "The test split was not" in line for line in lines)
    assert any(line.startswith("- topic (single label classification): 0, 1,") and "10 more" in line for line in lines)
    assert "## Calibration" not in lines


def test_texts_stay_texts_and_places_are_not_told(metrics: dict[str, Any], tmp_path: Path) -> None:
    recipe = load_recipe("offline", [f"data.dir={tmp_path}/secret/posts.csv", f"guide.pairs=[{tmp_path}/pairs.csv]"])
    recipe = recipe.model_copy(update={"name": HOSTILE, "description": HOSTILE})
    text = model_card(recipe, metrics, [Target("label", label_names=(HOSTILE, "good"))])
    assert str(tmp_path) not in text
    assert "dir: posts.csv" in text
    header, body = text[4:].split("\n---\n", 1)
    assert "library_name: clfa" in header
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(body)
    kinds = {token.type for token in tokens} | {leaf.type for token in tokens for leaf in token.children or []}
    assert not kinds & {"html_block", "html_inline"}
    assert [token.content for token in tokens if token.type == "fence"] == [
        'from clfa import CLFAPredictor\n\npredictor = CLFAPredictor.load("FOLDER OR HUB ID")\n'
        'predictor.predict("best monday ever", image="rain.jpg")\n'
    ]
    links = {leaf.attrs["href"] for token in tokens for leaf in token.children or [] if leaf.type == "link_open"}
    assert links == {"https://arxiv.org/abs/2403.06355"}
    headings = [tokens[number + 1].content for number, token in enumerate(tokens) if token.type == "heading_open"]
    assert headings[1:] == [
        *("What it predicts", "Use", "Data", "Scores", "Calibration", "Limits", "How it was made", "Licence")
    ]
    assert ModelCard(text).data.to_dict()["tags"]


def test_every_run_has_one(tiny_run: Path, tmp_path: Path) -> None:
    text = (tiny_run / "model" / CARD_FILE).read_text(encoding="utf-8")
    metrics = RunFolder(tiny_run).read_metrics()
    assert f"| this model | {100 * metrics['validation']['macro_f1']:.1f} |" in text
    assert "base_model" not in ModelCard(text).data.to_dict()
    # One that somebody has changed is kept.
    folder = RunFolder(tmp_path)
    folder.model.mkdir()
    (folder.model / CARD_FILE).write_text("mine")
    write_model_card(folder)
    assert (folder.model / CARD_FILE).read_text() == "mine"
