from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from clfa.guides import retrieval_report
from clfa.recipe import Recipe
from clfa.runs import alignment
from clfa.runs.train import train

Make = Callable[..., Recipe]


def test_both_moments_are_kept_and_nothing_else_changes(tiny_recipe: Make, posts_csv: Path, tmp_path: Path) -> None:
    kept = train(tiny_recipe(posts_csv, "training.save_alignment=true"), tmp_path / "kept")
    plain = train(tiny_recipe(posts_csv), tmp_path / "plain")
    before = kept.metrics["validation"].pop("student_retrieval_before")
    # The record draws no random numbers of the training.
    assert kept.metrics["validation"] == plain.metrics["validation"]
    assert kept.metrics["test"] == plain.metrics["test"]
    assert not plain.folder.alignment.exists()
    arrays = load_file(kept.folder.alignment)
    assert {name: (array.shape, str(array.dtype)) for name, array in arrays.items()} == {
        "text_before": ((16, 12), "float16"),
        "image_before": ((16, 12), "float16"),
        "text_after": ((16, 12), "float16"),
        "image_after": ((16, 12), "float16"),
        "samples": ((16,), "int64"),
    }
    np.testing.assert_allclose(np.linalg.norm(arrays["text_after"].astype(float), axis=1), 1, atol=2e-3)
    assert not np.allclose(arrays["text_before"], arrays["text_after"], atol=1e-2)
    for moment, found in (("before", before), ("after", kept.metrics["validation"]["student_retrieval"])):
        again = retrieval_report(arrays[f"text_{moment}"], arrays[f"image_{moment}"])
        assert again.median_rank == pytest.approx(found["median_rank"], abs=1)
    assert json.loads(kept.folder.metrics.read_text())["validation"]["student_retrieval_before"] == before


def test_large_splits_are_thinned_evenly(
    tiny_recipe: Make, posts_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alignment, "MAX_SAMPLES", 4)
    run = train(tiny_recipe(posts_csv, "training.save_alignment=true", "model.alpha=0"), tmp_path / "run")
    arrays = load_file(run.folder.alignment)
    assert arrays["samples"].tolist() == [0, 5, 10, 15]
    assert arrays["image_after"].shape[0] == 4
    assert run.metrics["validation"]["student_retrieval_before"]["candidates"] == 16


def test_one_modality_has_nothing_to_align(tiny_recipe: Make, posts_csv: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe(posts_csv, "training.save_alignment=true", "model.vision_encoder=null", "guide.name=none")
    run = train(recipe, tmp_path / "run")
    assert not run.folder.alignment.exists()
    assert "student_retrieval_before" not in run.metrics["validation"]
