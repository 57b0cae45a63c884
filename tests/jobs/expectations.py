"""What must be in an output folder, whoever wrote it and however often it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from clfa.prediction.post import Post, Prediction
from posts import LABELS

Predictor = Callable[[list[Post]], list[Prediction]]


def all_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of all parts by source and number."""
    return pq.read_table(folder).sort_by([("source", "ascending"), ("row", "ascending")]).to_pylist()


def assert_equal_to_one_process(output: Path, predictor: Predictor, source: Path) -> None:
    """Every row of the Parquet files in ``source`` exactly once, and what the predictor says of it when asked alone."""
    found = all_rows(output)
    expected = [
        (path.name, number, row)
        for path in sorted(source.glob("*.parquet"))
        for number, row in enumerate(pq.read_table(path).to_pylist(), start=1)
    ]
    assert [(row["source"], row["row"], row["id"]) for row in found] == [(s, n, row["id"]) for s, n, row in expected]
    posts = [Post(row["text"], row["image"] and str(source / row["image"])) for _, _, row in expected]
    for row, alone in zip(found, predictor(posts), strict=True):
        assert (row["prediction"], row["error"]) == (alone.label, alone.error)
        found_probabilities = {name: row[f"probability_{name}"] for name in alone.probabilities or LABELS}
        assert found_probabilities == pytest.approx(alone.probabilities or dict.fromkeys(LABELS), abs=1e-5)
        assert (row["reason"] is None) == (row["error"] is None)
    assert [row["id"] for row in found if row["error"]] == ["p3", "p18", "p33"]
