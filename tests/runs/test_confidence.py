"""Calibrated runs on every path: training, files, ONNX, the class for tables, the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from clfa import CLFAPredictor
from clfa.cli.main import app
from clfa.errors import ModelError
from clfa.evaluation.plots import plot_confidence
from clfa.modeling import CLFAConfig
from clfa.prediction.predict import predict_file
from clfa.prediction.predict_job import PredictJob, PredictWorker
from clfa.targets.probabilities import softmax
from clfa.targets.rules import Rules


@pytest.fixture(scope="module")
def predictor(tiny_run: Path) -> CLFAPredictor:
    return CLFAPredictor.load(tiny_run, allow_outside=True)


def table(posts_csv: Path) -> pd.DataFrame:
    """The first sixteen posts and one without a text."""
    posts = pd.read_csv(posts_csv).head(16)
    posts["image"] = [str(posts_csv.parent / image) for image in posts["image"]]
    posts.loc[16] = {**posts.loc[0].to_dict(), "text": ""}
    return posts


def test_a_run_has_a_temperature_and_its_metrics(tiny_run: Path) -> None:
    config = json.loads((tiny_run / "model" / "config.json").read_text())
    assert config["calibration"]["samples"] == 16
    assert config["calibration"]["temperature"] != 1
    metrics = json.loads((tiny_run / "metrics.json").read_text())
    for split in ("validation", "test"):
        found = metrics[split]["calibration"]
        assert found["temperature"] == config["calibration"]["temperature"]
        assert set(found["before"]) == set(found["after"]) == {"nll", "brier", "ece", "classwise_ece"}
        assert sum(b["samples"] for b in found["bins"]) == 16
        assert (tiny_run / f"reliability-{split}.png").stat().st_size > 5000
    validation = metrics["validation"]["calibration"]
    assert validation["after"]["nll"] <= validation["before"]["nll"] + 1e-9


def test_probabilities_are_those_of_divided_outputs(predictor: CLFAPredictor, posts_csv: Path, tiny_run: Path) -> None:
    posts = table(posts_csv).head(3)
    classifier = predictor._trained()
    inputs = classifier.processor(text=list(posts["text"]), images=list(posts["image"]), return_tensors="np")
    logits = classifier.runtime(inputs).logits
    temperature = classifier.config.calibration["temperature"]
    assert predictor.predict_proba(posts).to_numpy() == pytest.approx(softmax(logits / temperature), abs=1e-5)
    lines = (tiny_run / "predictions-test.jsonl").read_text().splitlines()
    assert all("confidence" not in json.loads(line) for line in lines)


def test_coverage_and_sets_of_a_table(predictor: CLFAPredictor, posts_csv: Path) -> None:
    posts = table(posts_csv)
    plain = predictor.predict(posts)
    some = predictor.predict(posts, coverage=0.5)
    assert len(some) == len(plain) == 17
    assert 0 < some[:16].count(None) < 16
    assert all(mine in (None, usual) for mine, usual in zip(some, plain, strict=True))
    found = predictor.predictions(posts, coverage=0.5, sets=0.8)
    silent = [p.targets["label"] for p in found if p.targets is not None and p.targets["label"].abstained]
    assert len(silent) == some[:16].count(None)
    assert found[16].error is not None
    sets = predictor.predict_sets(posts, 0.8, method="aps")
    assert sets[16] is None
    assert all(usual in own for own, usual in zip(sets[:16], plain, strict=False))


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet", "shards"])
def test_every_output_has_a_row_for_every_post(suffix: str, tiny_run: Path, posts_csv: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "new.csv", tmp_path / ("out" if suffix == "shards" else f"out.{suffix}")
    table(posts_csv).to_csv(source, index=False)
    summary = predict_file(tiny_run, source, output, coverage=0.5, sets=0.8, allow_outside=True)
    assert summary.rows == 17
    assert summary.labels["(no label)"] > 0
    rows: list[dict[str, Any]]
    if suffix == "jsonl":
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    elif suffix == "csv":
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            row["abstained"] = {"True": True, "False": False, "": None}[row["abstained"]]
            row["prediction"] = row["prediction"] or None
    else:
        rows = pq.read_table(output).to_pylist()
    assert len(rows) == 17
    silent = [row for row in rows if row.get("abstained")]
    assert len(silent) == summary.labels["(no label)"]
    assert all(row["prediction"] is None and row["set"] for row in silent)
    assert all(row["prediction"] for row in rows[:16] if not row["abstained"])
    assert rows[16]["error"]


def test_unfinished_work_under_other_rules_is_not_continued(predictor: CLFAPredictor) -> None:
    classifier = predictor._trained()
    plain, ruled = (PredictWorker(classifier, PredictJob("", rules=rules)) for rules in (None, Rules(0.5, 0.8, "aps")))
    assert "the rules" not in plain.identity
    assert ruled.identity["the rules"] == {"coverage": 0.5, "sets": 0.8, "set_method": "aps"}
    assert PredictWorker(classifier, PredictJob("", rules=Rules())).identity == plain.identity


def test_the_command_for_one_post(tiny_run: Path, posts_csv: Path) -> None:
    post = table(posts_csv).loc[0]
    arguments = ["predict", str(tiny_run), "--text", post["text"], "--image", post["image"]]
    result = CliRunner().invoke(app, [*arguments, "--coverage", "0.01", "--sets", "0.8"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "(no label)"
    assert "confidence: " in result.output
    assert "with probability 0.8: " in result.output
    wrong = CliRunner().invoke(app, [*arguments, "--coverage", "2"])
    assert isinstance(wrong.exception, ModelError)


def test_a_run_without_calibration_says_so(tiny_run: Path, posts_csv: Path, tmp_path: Path) -> None:
    import shutil

    plain = tmp_path / "plain"
    shutil.copytree(tiny_run, plain, ignore=shutil.ignore_patterns("checkpoints"))
    path = plain / "model" / "config.json"
    config = json.loads(path.read_text())
    del config["calibration"]
    path.write_text(json.dumps(config))
    old = CLFAPredictor.load(plain, allow_outside=True)
    posts = table(posts_csv).head(4)
    labels = old.predict(posts)
    assert None not in labels
    assert labels == CLFAPredictor.load(tiny_run, allow_outside=True).predict(posts)
    with pytest.raises(ModelError, match="coverage needs a calibrated model, and this one is not: it was trained with"):
        old.predict(posts, coverage=0.8)
    config["calibration"] = {"temperature": -1}
    path.write_text(json.dumps(config))
    with pytest.raises(ModelError, match="calibration: the temperature is -1"):
        CLFAPredictor.load(plain)


@pytest.mark.parametrize("calibration", [{"temperature": 0}, {"warmth": 1}, {"scores": 3}])
def test_a_configuration_checks_its_calibration(calibration: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="calibration: "):
        CLFAConfig(text_config={"model_type": "bert"}, calibration=calibration)


@pytest.mark.usefixtures("pictures")
def test_a_plot_without_a_risk_curve(tmp_path: Path) -> None:
    bins = [{"samples": 0, "confidence": None, "frequency": None}] * 14
    bins.append({"samples": 3, "confidence": 0.97, "frequency": 1.0})
    report = {"temperature": None, "before": {"ece": 0.03}, "after": {"ece": 0.03}, "bins": bins}
    plot_confidence(report, tmp_path / "plot.png", "a title")
    assert (tmp_path / "plot.png").stat().st_size > np.int64(5000)
