from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from clfa.experiments import Experiment
from clfa.report.build import build
from clfa.report.markdown import render_markdown
from clfa.report.study import Study
from clfa.report.yardsticks import yardstick_findings


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Rows a and b with three seeds; only b has the pooled features; tfidf is best on validation, pooled on test."""
    experiment = Experiment.model_validate(
        {
            "name": "yard",
            "recipe": "offline",
            "seeds": [1, 2, 3],
            "rows": [{"name": "a"}, {"name": "b"}],
            "score_test": True,
        }
    )
    frame = pd.DataFrame(
        {
            "row": ["a", "b"] * 3,
            "group": None,
            "fold": None,
            "seed": [1, 1, 2, 2, 3, 3],
            "run": [f"run{number}" for number in range(6)],
            "status": "finished",
            "data.samples.train": 80,
            "data.samples.test": 10,
            "validation.accuracy": [0.6, 0.7, 0.61, 0.72, 0.62, 0.71],
            "test.accuracy": [0.5, 0.72, 0.55, 0.7, 0.6, 0.74],
            "yardsticks.tfidf.validation.accuracy": 0.65,
            "yardsticks.tfidf.test.accuracy": 0.6,
            "yardsticks.tfidf.seconds": 2.5,
            "yardsticks.pooled.validation.accuracy": [np.nan, 0.64] * 3,
            "yardsticks.pooled.test.accuracy": [np.nan, 0.8] * 3,
            "yardsticks.pooled.seconds": [np.nan, 1.0] * 3,
            "yardsticks.absent.left_out": "the model reads no images",
        }
    )
    return Study(tmp_path, experiment, [], frame, ["accuracy"])


def test_the_rows_have_the_scores_of_the_first_row_that_has_them(study: Study) -> None:
    tfidf, pooled = yardstick_findings(study).rows
    assert (tfidf.name, tfidf.group, tfidf.runs, tfidf.seconds) == ("tfidf", "yardsticks", 3, 2.5)
    assert tfidf.scores["accuracy"].mean == pytest.approx(60)
    assert tfidf.scores["accuracy"].sd == pytest.approx(0)
    assert pooled.scores["accuracy"].mean == pytest.approx(80)
    assert math.isnan(pooled.parameters)


def test_rows_are_compared_with_the_best_yardstick_on_validation(study: Study) -> None:
    found = yardstick_findings(study)
    assert found.best == "tfidf"
    assert found.not_above == ["a"]
    first, second = found.compared
    assert (first.first, first.second) == ("a", "yardstick tfidf")
    assert first.difference.mean == pytest.approx(-5)
    expected = stats.ttest_1samp([50, 55, 60], 60).pvalue
    assert first.difference.p == pytest.approx(expected)
    # Holm's correction over both rows.
    p = stats.ttest_1samp([72, 70, 74], 60).pvalue
    assert second.corrected_p == pytest.approx(2 * p)
    assert first.corrected_p == pytest.approx(max(expected, 2 * p))


def test_lower_is_better(study: Study) -> None:
    columns = {column: column.replace("accuracy", "mae") for column in study.frame}
    found = yardstick_findings(
        Study(study.directory, study.experiment, [], study.frame.rename(columns=columns), ["mae"])
    )
    assert found.best == "pooled"
    # Row a has no such runs, and is compared with those of row b.
    assert found.not_above == ["b"]


def test_an_experiment_without_yardsticks(study: Study) -> None:
    frame = study.frame[[column for column in study.frame if not column.startswith("yardsticks.")]]
    found = yardstick_findings(Study(study.directory, study.experiment, [], frame, ["accuracy"]))
    assert (found.rows, found.best, found.compared, found.not_above) == ([], None, [], [])


def test_the_pages_show_them(finished_experiment: Path) -> None:
    report = build(Study.read(finished_experiment))
    assert report.groups[-1][0] == "yardsticks"
    assert [row.name for row in report.groups[-1][1]][:2] == ["majority", "tfidf"]
    page = render_markdown(report)
    assert "| *yardsticks* |" in page
    assert "## Differences from the best yardstick in " in page
    assert "Not above “" in page or "All rows are above “" in page


def test_a_row_is_compared_with_the_yardsticks_of_its_own_runs(study: Study) -> None:
    study.frame["yardsticks.tfidf.validation.accuracy"] = [0.65, 0.75] * 3
    study.frame["yardsticks.tfidf.test.accuracy"] = [0.6, 0.8] * 3
    found = yardstick_findings(study)
    assert found.not_above == ["a", "b"]
    assert [row.difference.mean for row in found.compared] == pytest.approx([-5, -8])
