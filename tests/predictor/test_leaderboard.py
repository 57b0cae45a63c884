from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from clfa.errors import ModelError
from clfa.predictor import CLFAPredictor
from clfa.predictor.leaderboard import leaderboard


def scores(value: float) -> dict[str, float]:
    return {"samples": 4, "macro_f1": value, "accuracy": value + 0.1, "weighted_f1": value}


def test_the_best_on_validation_comes_first() -> None:
    metrics = {
        "validation": scores(0.5),
        "test": scores(0.6),
        "yardsticks": {
            "majority": {"validation": scores(0.2), "test": scores(0.1)},
            "tfidf": {"validation": scores(0.7), "test": scores(0.4)},
            "pooled": {"reason": "no image encoder"},
        },
    }
    found = leaderboard(metrics)
    assert found.index.tolist() == ["tfidf", "model", "majority", "pooled"]
    assert found.columns.tolist() == [
        f"{split}_{figure}" for split in ("validation", "test") for figure in ("macro_f1", "accuracy", "weighted_f1")
    ]
    assert found.loc["model", "test_macro_f1"] == 0.6
    assert math.isnan(found.loc["pooled", "test_accuracy"])


def test_other_targets_have_a_score() -> None:
    found = leaderboard({"validation": {"samples": 4, "score": 0.5, "targets": {}}})
    assert found.to_dict("index") == {"model": {"validation_score": 0.5}}


def test_of_a_run_and_its_summary(tiny_run: Path) -> None:
    loaded = CLFAPredictor.load(tiny_run)
    found = loaded.leaderboard()
    assert {"model", "majority", "tfidf"} <= set(found.index)
    assert found.notna().all().all()
    summary = loaded.summary()
    assert "Model and yardsticks" in summary
    assert f"Everything is in {tiny_run}." in summary
    assert "\x1b" not in summary
    for method in (CLFAPredictor.load(tiny_run / "model").leaderboard, CLFAPredictor.load(tiny_run / "model").summary):
        with pytest.raises(ModelError, match=re.escape(f"{tiny_run} is one")):
            method()
