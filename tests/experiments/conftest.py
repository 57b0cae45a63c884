from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clfa.experiments import Experiment


@pytest.fixture(scope="session")
def tiny_experiment(tiny_overrides: list[str], posts_csv: Path) -> Experiment:
    """Two rows x two seeds of tiny runs on synthetic posts; the test split is scored."""
    return Experiment.model_validate(tiny_content(tiny_overrides, posts_csv))


def tiny_content(tiny_overrides: list[str], posts_csv: Path) -> dict[str, Any]:
    return {
        "name": "tiny",
        "recipe": "offline",
        "data": {"dir": str(posts_csv)},
        "seeds": [1, 2],
        "overrides": [*tiny_overrides, "training.epochs=1"],
        "rows": [{"name": "CLFA", "group": "both"}],
        "matrix": {"model.alpha": {"alpha 0": 0, "guided": 0.5}},
        "baseline_row": "CLFA, alpha 0",
        "score_test": True,
    }
