"""What a trained model gives, through the names that ``clfa`` exports and its command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from typer.testing import CliRunner


def command(*arguments: str) -> str:
    """Run a command of the command line; its output.

    Raises:
        AssertionError: When it fails.
    """
    from clfa.cli.main import app

    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, f"{arguments}: {result.output}\n{result.exception!r}"
    return result.output


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def observe_run(name: str) -> dict[str, Any]:
    """Predictions of ``runs/NAME`` on ``posts/new.csv``; the working directory holds both.

    Returns:
        Of the predictor: ``label_names``, ``predict``, ``predict_proba`` and ``embed``. Of the command line: the lines
        of the JSONL file, from run and model directory, and the rows of the CSV file. Of the model itself: ``logits``.
    """
    from clfa import CLFAForClassification, CLFAPredictor, CLFAProcessor

    run = f"runs/{name}"
    predictor = CLFAPredictor.load(run)
    table = pd.read_csv("posts/new.csv", dtype=str, keep_default_na=False)
    table["image"] = [f"posts/{image}" if image else "" for image in table["image"]]
    predicted = predictor.predict(table)
    probabilities = predictor.predict_proba(table)
    for suffix in ("jsonl", "csv"):
        command("predict", run, "posts/new.csv", "--output", f"predicted-{name}.{suffix}")
    command("predict", f"{run}/model", "posts/new.csv", "--output", f"predicted-{name}-model.jsonl")
    with Path(f"predicted-{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    complete = table[(table["text"] != "") & (table["image"] != "")]
    model = CLFAForClassification.from_pretrained(f"{run}/model").eval()
    processor = CLFAProcessor.from_pretrained(f"{run}/model")
    batch = processor(
        text=list(complete["text"]), images=list(complete["image"]), knowledge=list(complete["knowledge"])
    )
    if not model.config.use_knowledge:
        batch = {key: value for key, value in batch.items() if not key.startswith("knowledge")}
    with torch.no_grad():
        output = model(**batch)
    return {
        "label_names": predictor.label_names,
        "predict": predicted.to_dict("list") if isinstance(predicted, pd.DataFrame) else predicted,
        "columns": [list(name) if isinstance(name, tuple) else name for name in probabilities.columns],
        "predict_proba": _numbers(probabilities.to_numpy()),
        "embed": _numbers(predictor.embed(table)),
        "jsonl": read_lines(Path(f"predicted-{name}.jsonl")),
        "jsonl of the model directory": read_lines(Path(f"predicted-{name}-model.jsonl")),
        "csv": [{key: _number(value) for key, value in row.items()} for row in rows],
        "logits": _numbers(output.logits.numpy()),
    }


def observe_evaluation(name: str) -> dict[str, Any]:
    """Metrics and predictions of ``clfa evaluate runs/NAME --split test``."""
    folder = Path(f"runs/{name}/evaluation-test")
    shutil.rmtree(folder, ignore_errors=True)
    command("evaluate", f"runs/{name}", "--split", "test")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {"metrics": metrics, "predictions": read_lines(folder / "predictions-test.jsonl")}


def _numbers(values: Any) -> list[list[float | None]]:
    """Rows of numbers, rounded; ``None`` for NaN."""
    return [[None if value != value else round(float(value), 6) for value in row] for row in values]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
