from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from clfa.experiments import Experiment
from clfa.report.build import build
from clfa.report.html import render_html
from clfa.report.markdown import render_markdown
from clfa.report.study import Study
from clfa.report.worth import worth_rows


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two rows on two folds; only one was scored with something withheld, and knowledge only in its first run."""
    experiment = Experiment.model_validate(
        {"name": "gaps", "recipe": "offline", "data": {"folds": [1, 2]}, "rows": [{"name": "a"}, {"name": "b"}]}
    )
    frame = pd.DataFrame(
        {
            "row": ["a", "b", "a", "b"],
            "group": None,
            "recipe": "offline",
            "fold": [1, 1, 2, 2],
            "seed": 1,
            "run": ["a1", "b1", "a2", "b2"],
            "status": "finished",
            "config.data.dir": None,
            "data.samples.train": 80,
            "data.samples.validation": 10,
            "validation.accuracy": [0.7, 0.6, 0.8, 0.6],
            "validation.without.image.accuracy": [0.65, np.nan, 0.65, np.nan],
            "validation.without.knowledge.accuracy": [0.71, np.nan, np.nan, np.nan],
            "resources.seconds_total": 1.0,
            "resources.peak_memory_mb": 1.0,
            "training.trained_parameters": 1.0,
        }
    )
    return Study(tmp_path, experiment, [], frame, ["accuracy"])


def test_worth_is_the_mean_difference_run_by_run(study: Study) -> None:
    image, knowledge = worth_rows(study)
    assert (image.name, image.modality, image.whole.n) == ("a", "image", 2)
    assert image.whole.mean == pytest.approx(75)
    assert image.without.mean == pytest.approx(65)
    assert image.worth.mean == pytest.approx(10)
    assert image.worth.sd == pytest.approx(np.std([5, 15], ddof=1))
    assert (knowledge.modality, knowledge.whole.n) == ("knowledge", 1)
    assert knowledge.worth.mean == pytest.approx(-1)


def test_both_pages_show_it(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("alignment_rows", "learning_curves", "change"):
        monkeypatch.setattr(f"clfa.report.build.{name}", lambda *args, **kwargs: None)
    for name in ("_confusions", "confidence_rows"):
        monkeypatch.setattr(f"clfa.report.build.{name}", lambda *args: [])
    report = build(study)
    report.aligned = []
    markdown = render_markdown(report)
    assert "## What each modality is worth" in markdown
    assert "| a | image | 75.0 ± 7.1 | 65.0 ± 0.0 | 10.0 ± 7.1 |" in markdown
    assert '<td>a</td><td class="words">image</td><td data-value="75.0">' in render_html(report)
