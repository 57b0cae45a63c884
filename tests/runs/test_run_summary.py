"""The summary of a run, from its metrics alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clfa.runs.run_folder import RunFolder
from clfa.runs.run_summary import summary_text


@pytest.mark.parametrize(
    ("blend", "expected"),
    [
        ({}, []),
        (
            {"blend": {"weights": {"label": {"network": 0.5, "tfidf": 0.254}}}},
            ["The model is a blend; weights: network 0.50, tfidf 0.25. The scores of single epochs are the network's."],
        ),
        (
            {"blend": {"weights": {"mood": {"network": 1.0}, "grade": {"network": 0.5}}}},
            [
                "The model is a blend for target mood; weights: network 1.00.",
                "The model is a blend for target grade; weights: network 0.50.",
            ],
        ),
    ],
    ids=["none", "one target", "two targets"],
)
def test_a_blend_has_its_weights(blend: dict[str, Any], expected: list[str], tiny_run: Path) -> None:
    text = summary_text(RunFolder(tiny_run).read_metrics() | blend, tiny_run)
    assert text.count("is a blend") == len(expected)
    assert all(line in text for line in expected)
