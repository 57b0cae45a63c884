from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clfa.errors import DataError
from clfa.experiments import Experiment, plan_runs, read_results, write_results
from clfa.experiments.execute import run_path, write_error
from clfa.experiments.plan import PlannedRun
from clfa.experiments.results import Results, flatten
from clfa.experiments.scores import factor, lower_is_better, shown_metrics, title

METRICS: dict[str, Any] = {
    "recipe": "r",
    "seed": 1,
    "fold": 1,
    "guide": {"name": "fitted", "validation_retrieval": {"median_rank": 12.5, "near_chance": False}},
    "training": {"trained_parameters": 1234},
    "validation": {"accuracy": 0.5, "confusion_matrix": [[1, 2], [3, 4]], "student_retrieval": {"rank1": 0.25}},
    "test": {"accuracy": 0.75, "classes": {"a": {"f1": 0.5}}},
    "versions": {"torch": "2"},
}


def experiment() -> Experiment:
    return Experiment.model_validate(
        {
            "name": "x",
            "recipe": "offline",
            "data": {"folds": [1, 2]},
            "rows": [
                {"name": "a", "group": "g", "overrides": ["model.alpha=0", "model.freeze_text_encoder=2"]},
                {"name": "b", "overrides": ["model.vision_encoder=null"]},
            ],
        }
    )


def finish(directory: Path, run: PlannedRun, metrics: dict[str, Any]) -> None:
    folder = run_path(directory, run)
    folder.mkdir(parents=True, exist_ok=True)
    run.recipe.save(folder / "recipe.yaml")
    (folder / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def test_names_and_errors_are_no_formulas_in_the_csv_file(tmp_path: Path) -> None:
    described = experiment().model_dump(exclude_none=True)
    described["rows"][0]["name"] = "=1+1"
    runs = plan_runs(Experiment.model_validate(described))
    finish(tmp_path, runs[1], METRICS)
    write_error(tmp_path, runs[0], "@error")
    write_results(tmp_path, runs)
    lines = (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1].startswith("'=1+1,")
    assert ",'@error," in lines[1]
    assert read_results(tmp_path)["row"].tolist() == ["=1+1", "b"]


def test_one_line_per_run_with_settings_scores_and_errors(tmp_path: Path) -> None:
    runs = plan_runs(experiment())
    assert [run.row for run in runs] == ["a", "b", "a", "b"]
    finish(tmp_path, runs[0], METRICS)
    finish(tmp_path, runs[1], {**METRICS, "guide": None})
    write_error(tmp_path, runs[2], "out of\nmemory", "Traceback")
    frame = write_results(tmp_path, runs)
    assert frame["row"].tolist() == ["a", "b", "a"]
    assert frame["status"].tolist() == ["finished", "finished", "failed"]
    assert frame["error"].tolist()[2] == "out of memory"
    assert frame["fold"].tolist() == [1, 1, 2]
    assert frame["group"].tolist()[0] == "g"
    assert frame["test.accuracy"].tolist()[:2] == [0.75, 0.75]
    assert pd.isna(frame["test.accuracy"][2])
    assert frame["test.classes.a.f1"][0] == 0.5
    assert "validation.confusion_matrix" not in frame
    assert frame["guide.validation_retrieval.median_rank"][0] == 12.5
    assert frame["training.trained_parameters"][0] == 1234
    assert frame["set.model.alpha"][0] == 0
    assert pd.isna(frame["set.model.alpha"][1])
    assert pd.isna(frame["set.model.vision_encoder"][0])
    assert frame["set.model.vision_encoder"][1] == "null"
    # 2 in one row and true in the other: no number and no truth value, so text.
    assert frame["config.model.freeze_text_encoder"].tolist() == ["2", "True", "2"]
    assert frame["config.data.fold"].tolist() == [1, 1, 2]
    assert frame["versions.torch"][0] == "2"


def test_files_hold_the_same_table(tmp_path: Path) -> None:
    runs = plan_runs(experiment())
    for run in runs:
        finish(tmp_path, run, METRICS)
    written = write_results(tmp_path, runs)
    pd.testing.assert_frame_equal(read_results(tmp_path), written, check_dtype=False)
    csv = pd.read_csv(tmp_path / "results.csv")
    assert list(csv.columns) == list(written.columns)
    assert csv["test.accuracy"].tolist() == [0.75] * 4
    leftovers = {path.name for path in tmp_path.iterdir()} - {"runs", "results.lock"}
    assert leftovers == {"results.csv", "results.parquet"}


def test_empty_tables_and_missing_ones(tmp_path: Path) -> None:
    frame = Results(tmp_path, plan_runs(experiment())).write()
    assert len(frame) == 0
    assert {"row", "fold", "seed", "status", "error"} <= set(frame.columns)
    assert len(read_results(tmp_path)) == 0
    with pytest.raises(DataError, match=r"holds no results.parquet; make it with `clfa experiment"):
        read_results(tmp_path / "nowhere")


def test_nested_metrics_become_columns() -> None:
    found = dict(flatten({"test": {"sentiment": {"accuracy": 0.5}, "arousal": {"mae": 1.5}}, "x": [1]}))
    assert found == {"test.sentiment.accuracy": 0.5, "test.arousal.mae": 1.5}


def test_scores_are_named_scaled_and_ordered() -> None:
    assert title("targets.sentiment.weighted_f1") == "sentiment, weighted F1"
    assert (factor("accuracy"), factor("arousal.mae")) == (100, 1)
    assert title("targets.g.quadratic_weighted_kappa") == "g, quadratic weighted kappa"
    assert (factor("quadratic_weighted_kappa"), factor("median_rank"), factor("binary_f1")) == (1, 1, 100)
    assert lower_is_better("arousal.mae")
    assert not lower_is_better("macro_f1")
    columns = ["test.samples", "test.arousal.mae", "test.student_retrieval.rank1", "validation.accuracy"]
    assert shown_metrics(["accuracy"], columns, "validation") == ["accuracy"]
    assert shown_metrics(["accuracy"], columns, "test") == ["arousal.mae"]


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, [])
    path = tmp_path / "results.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"results\.parquet is damaged \(.*\); `clfa experiment` with the same arg"):
        read_results(tmp_path)
