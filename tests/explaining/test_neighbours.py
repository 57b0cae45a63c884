"""Indexes of neighbours that cannot be used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clfa.errors import DataError
from clfa.explaining.neighbours import NeighbourIndex


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_vectors_that_are_not_finite_are_refused(tmp_path: Path, number: float) -> None:
    vectors = np.eye(2, 3, dtype=np.float32)
    vectors[1, 1] = number
    NeighbourIndex(["a", "b"], ["x", "y"], vectors, "model").save(tmp_path / "index.npz")
    with pytest.raises(DataError, match=r"index\.npz has vectors that are not finite numbers; build it again"):
        NeighbourIndex.load(tmp_path / "index.npz")


@pytest.mark.parametrize("vectors", [np.zeros(2, np.float32), np.zeros((2, 3), np.int64)])
def test_vectors_of_another_form_are_refused(tmp_path: Path, vectors: np.ndarray) -> None:
    NeighbourIndex(["a", "b"], ["x", "y"], vectors, "model").save(tmp_path / "index.npz")
    with pytest.raises(DataError, match=r"index\.npz is no whole index of neighbours; build it again"):
        NeighbourIndex.load(tmp_path / "index.npz")
