from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from sklearn.decomposition import PCA

from clfa.errors import DataError
from clfa.report.projection import project, read_projections


def test_plane_and_distances() -> None:
    random = np.random.default_rng(0)
    text, image = random.normal(size=(30, 6)), random.normal(size=(30, 6))
    found = project(text, image)
    reference = PCA(2).fit(np.concatenate([text, image]))
    np.testing.assert_allclose(np.abs(found.text), np.abs(reference.transform(text)), atol=1e-9)
    np.testing.assert_allclose(np.abs(found.image), np.abs(reference.transform(image)), atol=1e-9)
    assert found.explained == pytest.approx(reference.explained_variance_ratio_.sum())
    distances = np.array([[np.linalg.norm(t - i) for i in image] for t in text])
    assert found.distance == pytest.approx(np.diag(distances).mean())
    assert found.other_distance == pytest.approx(distances[~np.eye(30, dtype=bool)].mean())


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "alignment.safetensors"
    with pytest.raises(DataError, match="holds no alignment of a run"):
        read_projections(path)
    names = ("text_before", "image_before", "text_after", "image_after")
    save_file({name: np.ones((1, 3), np.float16) for name in names}, path)
    assert read_projections(path) is None
    save_file({name: np.eye(3, dtype=np.float16) for name in names}, path)
    found = read_projections(path)
    assert found is not None
    assert found[1].distance == pytest.approx(0, abs=1e-6)
