from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks.scores import (
    ahead_lines,
    best_yardstick,
    difference,
    keep,
    kept_columns,
    main,
    mean_difference,
    observations,
    table_lines,
)
from scipy import stats

from clfa.errors import DataError
from clfa.report.statistics import compare


def scores(own: list[float], yardstick: list[float], folds: bool = False, seeds: int = 1) -> pd.DataFrame:
    """Runs of one row; with folds, `seeds` runs in each."""
    n = len(own)
    return pd.DataFrame(
        {
            "row": "best",
            "fold": [1 + place // seeds for place in range(n)] if folds else [None] * n,
            "seed": [1 + place % seeds for place in range(n)] if folds else range(1, n + 1),
            "test.f1": own,
            "yardsticks.low.validation.f1": [0.1] * n,
            "yardsticks.low.test.f1": [0.9] * n,
            "yardsticks.high.validation.f1": [0.8] * n,
            "yardsticks.high.test.f1": yardstick,
            "data.samples.train": 800,
            "data.samples.test": 100,
            "resources.seconds_total": 60.4,
        }
    )


def test_the_best_yardstick_is_that_of_validation() -> None:
    assert best_yardstick(scores([0.5], [0.4]), "f1") == "high"
    assert best_yardstick(scores([0.5], [0.4]), "f1", "test") == "low"
    with pytest.raises(DataError, match="no yardstick has auc on the validation split"):
        best_yardstick(scores([0.5], [0.4]), "auc")


def test_seeds_of_a_fold_are_one_observation() -> None:
    table = scores([0.1, 0.3, 0.5, 0.7], [0.0] * 4, folds=True, seeds=2)
    assert observations(table, "test.f1") == pytest.approx([20, 60])
    assert observations(scores([0.3, 0.1], [0.0] * 2), "test.f1") == pytest.approx([30, 10])


def test_folds_are_tested_with_the_correction_for_overlapping_training_sets() -> None:
    own, other = [0.50, 0.52, 0.58], [0.48, 0.49, 0.52]
    plain = difference(scores(own, other), "test.f1", "yardsticks.high.test.f1")
    folds = difference(scores(own, other, folds=True), "test.f1", "yardsticks.high.test.f1")
    percent = [100 * value for value in own], [100 * value for value in other]
    assert plain == compare(*percent)
    assert folds == compare(*percent, ratio=1 / 8)
    assert folds.p > plain.p


def test_the_mean_of_two_differences_is_welch_s_test() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(3, 1, 6), generator.normal(1, 2, 4)
    found = mean_difference([compare(first, np.zeros(6)), compare(second, np.zeros(4))])
    # Half the sum of two means is tested as their difference with one of them negated.
    expected = stats.ttest_ind(first, -second, equal_var=False)
    assert found.mean == pytest.approx((first.mean() + second.mean()) / 2)
    assert found.p == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)
    interval = expected.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low / 2, interval.high / 2))
    with pytest.raises(ValueError, match="two runs or more"):
        mean_difference([compare([1.0], [0.0])])


def test_lines_of_the_comparison() -> None:
    tables = {
        "seeds": scores([0.80, 0.82, 0.84], [0.60, 0.60, 0.60]),
        "folds": scores([0.55, 0.60], [0.55, 0.56], folds=True),
    }
    lines = list(ahead_lines(tables, "best", "f1"))
    assert lines[2] == "| seeds | high | 60.0 | 82.0 | +22.0 | +17.0 to +27.0 | 3 of 3 | 0.003 | 0.008 |"
    assert lines[3].startswith("| folds | high | 55.5 | 57.5 | +2.0 | ")
    assert lines[3].split(" | ")[6] == "1 of 2"
    assert lines[4].startswith("| mean | | | | +12.0 | ")
    with pytest.raises(DataError, match="seeds has no run of the row 'good'; there are: best"):
        list(ahead_lines(tables, "good", "f1"))


def test_lines_of_the_table() -> None:
    assert list(table_lines("data", scores([0.5, 0.52], [0.25, 0.25]), ["f1"])) == [
        "| data | f1 | runs | seconds |",
        "| --- | ---: | ---: | ---: |",
        "| best | 51.0 ± 1.4 | 2 | 60 |",
        "| yardstick low | 90.0 ± 0.0 | 2 |  |",
        "| yardstick high | 25.0 ± 0.0 | 2 |  |",
    ]


def test_columns_that_are_kept() -> None:
    columns = [
        "row",
        "fold",
        "seed",
        "run",
        "test.f1",
        "test.loss",
        "yardsticks.tfidf.test.f1",
        "yardsticks.tfidf.seconds",
    ]
    columns += ["guide.cosine.test.f1", "config.data.dir", "data.samples.test"]
    assert kept_columns(columns, ["f1"]) == [
        "row",
        "fold",
        "seed",
        "test.f1",
        "yardsticks.tfidf.test.f1",
        "guide.cosine.test.f1",
        "data.samples.test",
    ]


def test_later_runs_replace_the_same_and_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def study(table: pd.DataFrame) -> object:
        experiment = type("Experiment", (), {"name": "mine"})
        return type("Study", (), {"experiment": experiment, "metrics": ["f1"], "finished": table})

    tables = [
        scores([0.1, 0.2], [0.0] * 2),
        scores([0.3], [0.0]).assign(seed=2),
        scores([0.4], [0.0]).assign(row="good"),
    ]
    given = iter(tables)
    monkeypatch.setattr("benchmarks.scores.Study.read", lambda run: study(next(given)))
    for _ in tables:
        path = keep(Path("run"), tmp_path)
    found = pd.read_csv(path)
    assert path.name == "mine.csv"
    assert found[["row", "seed", "test.f1"]].to_numpy().tolist() == [
        ["best", 1, 0.1],
        ["best", 2, 0.3],
        ["good", 1, 0.4],
    ]
    assert found["fold"].isna().all()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.csv"
    scores([0.5, 0.6], [0.4, 0.4]).to_csv(path, index=False)
    assert main(["ahead", str(path), "--metric", "f1"]) == 0
    assert "| mine | high | 40.0 | 55.0 | +15.0 |" in capsys.readouterr().out
    assert main(["ahead", str(path), "--metric", "f1", "--hindsight"]) == 0
    assert "| mine | low | 90.0 | 55.0 | -35.0 |" in capsys.readouterr().out
    assert main(["table", str(path), "--metrics", "f1"]) == 0
    assert "| best | 55.0 ± 7.1 | 2 | 60 |" in capsys.readouterr().out
    assert main(["table", str(tmp_path / "none.csv")]) == 2
    assert "none.csv is not there; `python -m benchmarks.scores keep RUN` writes it." in capsys.readouterr().err


def test_one_run_has_no_test() -> None:
    assert math.isnan(difference(scores([0.5], [0.4]), "test.f1", "yardsticks.high.test.f1").p)
