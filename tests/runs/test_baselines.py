"""Baselines by recipe: the same road from table to predictions as CLFA's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.errors import ModelError, RecipeError
from clfa.modeling import CLFAForClassification
from clfa.modeling.baselines.dr_net import DRNet
from clfa.modeling.baselines.hfm import HFM
from clfa.modeling.baselines.interclip_mep import InterCLIPMEP
from clfa.modeling.baselines.multiview_clip import MultiViewCLIP
from clfa.prediction.post_classifier import PostClassifier
from clfa.prediction.predict import predict_file
from clfa.recipe import Recipe
from clfa.runs.evaluate import evaluate
from clfa.runs.train import train
from posts import make_posts, read_jsonl, write_csv

MakeRecipe = Callable[..., Recipe]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Posts of which two in three have knowledge."""
    rows = [{**row, "knowledge": "" if n % 3 else f"good dog {n}"} for n, row in enumerate(make_posts(tmp_path))]
    return write_csv(tmp_path / "posts.csv", rows)


@pytest.mark.parametrize(
    ("name", "kind", "overrides"),
    [
        ("hfm", HFM, ["model.use_knowledge=true", "model.text_encoder=embeddings:{bert}"]),
        ("dr_net", DRNet, ["model.use_knowledge=true", "model.baseline_options={{reconstruction_weight: 0.1}}"]),
        ("multiview_clip", MultiViewCLIP, ["model.text_encoder={clip}", "model.vision_encoder={clip}"]),
        ("interclip_mep", InterCLIPMEP, ["model.freeze_text_encoder=false", "model.freeze_vision_encoder=false"]),
    ],
)
def test_a_baseline_trains_evaluates_and_predicts(
    name: str,
    kind: type,
    overrides: list[str],
    tiny_recipe: MakeRecipe,
    tiny_bert_dir: Path,
    tiny_clip_dir: Path,
    table: Path,
    tmp_path: Path,
) -> None:
    overrides = [override.format(bert=tiny_bert_dir, clip=tiny_clip_dir) for override in overrides]
    recipe = tiny_recipe(table, f"model.baseline={name}", *overrides)
    run = tmp_path / "run"
    metrics = train(recipe, run).metrics
    assert metrics["guide"] is None
    assert not (run / "guide").exists()
    model = CLFAForClassification.from_pretrained(run / "model")
    assert isinstance(model.clfa.baseline, kind)
    assert not hasattr(model.clfa, "fusion")
    if name == "dr_net":
        assert model.clfa.baseline.reconstruction_weight == 0.1

    again = evaluate(run, "test", output=tmp_path / "again")
    # Probabilities differ by rounding.
    first, second = again.pop("calibration"), metrics["test"].pop("calibration")
    assert first["after"] == pytest.approx(second["after"], abs=1e-5)
    assert again == metrics["test"]
    predict_file(PostClassifier.load(run), table, tmp_path / "predictions.jsonl")
    found = {row["id"]: row["probabilities"] for row in read_jsonl(tmp_path / "predictions.jsonl")}
    assert len(found) == 64
    scored = read_jsonl(run / "predictions-test.jsonl")
    assert len(scored) == 16
    for row in scored:
        # The run may have read its frozen encoders' features in half precision.
        assert found[row["id"]] == pytest.approx(row["probabilities"], abs=5e-3)


def test_wrong_baselines_leave_no_folder(tiny_recipe: MakeRecipe, posts_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"unknown baseline 'hmf'; known: .* Did you mean 'hfm'\?"):
        train(tiny_recipe(posts_csv, "model.baseline=hmf"), tmp_path / "run")
    with pytest.raises(ModelError, match=r"baseline 'dr_net' needs knowledge: set model\.use_knowledge=true and give"):
        train(tiny_recipe(posts_csv, "model.baseline=dr_net"), tmp_path / "run")
    assert not (tmp_path / "run").exists()
