from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clfa.experiments import Experiment
from clfa.report.build import build
from clfa.report.html import render_html
from clfa.report.markdown import render_markdown
from clfa.report.size_curves import size_curves
from clfa.report.study import Study
from clfa.report.tables import comparisons

SCORES = {
    ("CLFA, alpha 0, 250 rows", 250): [0.5, 0.6],
    ("CLFA, alpha 0, all rows", None): [0.7, 0.9],
    ("CLFA, guided, 250 rows", 250): [0.55, 0.65],
    ("CLFA, guided, all rows", None): [0.8, 0.8],
    ("text-only", None): [0.4, 0.4],
}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two families of rows at 250 and all 1,000 training rows, and a row without that axis; two seeds."""
    experiment = Experiment.model_validate(
        {
            "name": "sizes",
            "recipe": "offline",
            "seeds": [1, 2],
            "rows": [{"name": "CLFA"}, {"name": "text-only", "matrix": {}}],
            "matrix": {
                "model.alpha": {"alpha 0": 0, "guided": 2},
                "data.train_limit": {"250 rows": ["data.train_limit=250", "training.epochs=9"], "all rows": None},
            },
        }
    )
    lines = [
        {
            "row": row,
            "group": None,
            "recipe": "offline",
            "fold": None,
            "seed": seed,
            "run": f"{row}{seed}",
            "status": "finished",
            "config.data.dir": None,
            "config.data.train_limit": limit,
            "data.samples.train": limit or 1000,
            "data.samples.validation": 10,
            "validation.accuracy": score,
            "resources.seconds_total": 1.0,
            "resources.peak_memory_mb": 1.0,
            "training.trained_parameters": 1.0,
            "validation.student_retrieval.median_rank": 4.0,
            "guide.cosine.validation.accuracy": 0.9 if "guided" in row else np.nan,
            "guide.cosine.validation.auc": 0.95 if "guided" in row else np.nan,
        }
        for (row, limit), scores in SCORES.items()
        for seed, score in enumerate(scores, start=1)
    ]
    return Study(tmp_path, experiment, [], pd.DataFrame(lines), ["accuracy"])


def test_one_curve_for_each_family_of_rows(study: Study) -> None:
    plain, guided = size_curves(study, "accuracy")
    assert (plain.name, guided.name) == ("CLFA, alpha 0", "CLFA, guided")
    assert plain.axis == "training rows"
    assert {size: score.mean for size, score in plain.points.items()} == pytest.approx({250: 55, 1000: 80})
    assert plain.points[1000].sd == pytest.approx(np.sqrt(2) * 10)
    assert {size: score.n for size, score in guided.points.items()} == {250: 2, 1000: 2}


def test_one_size_makes_no_curve(study: Study) -> None:
    study.frame = study.frame[study.frame["config.data.train_limit"].isna()]
    assert size_curves(study, "accuracy") == []
    del study.frame["config.data.train_limit"]
    assert size_curves(study, "accuracy") == []


def test_every_row_has_the_ratio_of_its_own_training_samples(study: Study) -> None:
    study.frame["fold"] = study.frame["seed"]
    assert study.ratio_of("CLFA, guided, 250 rows") == pytest.approx(10 / 250)
    assert study.ratio_of("CLFA, guided, 250 rows", "text-only") == pytest.approx((10 / 250 + 10 / 1000) / 2)
    study.experiment.compare = [["CLFA, guided, 250 rows", "CLFA, alpha 0, 250 rows"]]
    study.frame.loc[study.frame["row"] == "CLFA, guided, 250 rows", "validation.accuracy"] = [0.52, 0.66]
    (tested,) = comparisons(study)
    # Differences 2 and 6 points: variance 8.
    assert tested.difference.high - 4 == pytest.approx(12.706205 * np.sqrt((1 / 2 + 10 / 250) * 8), abs=1e-4)


def test_both_pages_show_curves_and_the_guides_cosine(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clfa.report.build.change", lambda *args, **kwargs: None)
    monkeypatch.setattr("clfa.report.build._confusions", lambda *args: [])
    report = build(study)
    assert report.size_plot is not None
    assert report.size_plot.address.startswith("data:image/svg+xml")
    markdown, page = render_markdown(report), render_html(report)
    assert "## Number of training rows" in markdown
    assert "| row | 250 | 1,000 |" in markdown
    assert "| CLFA, guided | 60.0 ± 7.1 | 80.0 ± 0.0 |" in markdown
    assert "accuracy by number of training rows: mean ± standard deviation over seeds." in markdown
    assert '<td>CLFA, guided</td><td>60.0 <span class="sd">± 7.1</span></td>' in page
    assert "| row | accuracy of the guide's cosine | AUC, % |" in markdown
    assert "| CLFA, guided, all rows | 90.0 | 95.0 |" in markdown
    assert "| CLFA, alpha 0, all rows | 90.0" not in markdown
    assert '<td data-value="90.0">90.0</td><td data-value="95.0">95.0</td>' in page
