from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.cli.one_post import predict_one
from clfa.errors import RecipeError
from clfa.prediction.predict import predict_file
from clfa.recipe import Recipe, load_recipe
from clfa.runs.names import check_names
from clfa.runs.train import train
from posts import read_jsonl


def test_a_run_with_the_relation_readout_reports_the_agreement(
    tiny_recipe: Callable[..., Recipe], posts_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = train(tiny_recipe(posts_csv, "model.readout=relation", "training.epochs=1"), tmp_path / "run")
    assert set(result.metrics["validation"]) >= {"accuracy", "macro_f1"}
    predict_file(tmp_path / "run", posts_csv, tmp_path / "found.jsonl")
    predict_file(tmp_path / "run", posts_csv, tmp_path / "found.csv")
    records = read_jsonl(tmp_path / "found.jsonl")
    assert len(records) == 64
    assert all(-1 <= record["agreement"] <= 1 for record in records)
    with open(tmp_path / "found.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["agreement"]) for row in rows] == [record["agreement"] for record in records]
    with open(posts_csv, encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file))
    predict_one(str(tmp_path / "run"), first["text"], str(posts_csv.parent / first["image"]))
    assert f"agreement of text and image: {records[0]['agreement']:.2f}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.baseline=pooled_concat", "which baseline 'pooled_concat' does not have; set model.readout=pooled"),
        ("model.text_encoder=null", "the model reads one of them; set model.readout=pooled"),
    ],
)
def test_no_relation_without_aligned_text_and_image(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        check_names(load_recipe("offline", ["model.readout=relation", override]))


def test_an_unknown_readout_is_refused_before_any_work() -> None:
    with pytest.raises(RecipeError, match="readout"):
        check_names(load_recipe("offline", ["model.readout=relations"]))
