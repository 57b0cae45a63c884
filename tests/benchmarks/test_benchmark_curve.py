from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from benchmarks.curve import lines, main

from benchmarks import curve
from clfa.errors import DataError


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        ("alpha 0, 250 rows", 0.60, None),
        ("alpha 0, 250 rows", 0.62, None),
        ("alpha 0, 1000 rows", 0.70, None),
        ("guided, 250 rows", 0.61, 0.64),
        ("guided, 1000 rows", 0.80, 0.84),
        ("shuffled, 250 rows", 0.5, 0.4),
        ("without a number", 0.9, 0.9),
    ]
    return pd.DataFrame(
        {
            "row": [row for row, _, _ in rows],
            "test.accuracy": [score for _, score, _ in rows],
            "guide.cosine.test.accuracy": [cosine for _, _, cosine in rows],
            **{f"yardsticks.{name}.{split}.accuracy": x for name, x in (("a", 0.6), ("b", 0.5)) for split in SPLITS},
        }
    )


SPLITS = ("validation", "test")


def test_means_and_deviations_by_number(scores: pd.DataFrame) -> None:
    found, what = lines(scores, "accuracy")
    assert what == "rows"
    assert list(found) == ["alpha 0", "guided", "shuffled", "the guide's cosine", "yardstick a"]
    assert found["alpha 0"][250] == pytest.approx((61.0, 2**0.5))
    assert found["alpha 0"][1000] == pytest.approx((70.0, 0.0))
    # Not that of the shuffled guide.
    assert {number: mean for number, (mean, _) in found["the guide's cosine"].items()} == {250: 64.0, 1000: 84.0}
    assert found["yardstick a"][250][0] == pytest.approx(60)


def test_rows_without_numbers(scores: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no row is named as 'NAME, 250 rows' or 'NAME, 50 labels'"):
        lines(scores.assign(row="guided"), "accuracy")


def test_the_picture_is_beside_the_table(
    scores: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(curve, "write_plot", lambda path, *rest, **options: drawn.append(path))
    scores.to_csv(tmp_path / "curve.csv", index=False)
    assert main([str(tmp_path / "curve.csv")]) == 0
    assert drawn == [tmp_path / "curve.png"]
    assert main([str(tmp_path / "absent.csv")]) == 2
    assert "absent.csv is not there; `python -m benchmarks.scores keep RUN` writes it." in capsys.readouterr().err
