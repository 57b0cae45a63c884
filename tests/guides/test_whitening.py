from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.guides.whitening import Whitening


def correlated(rows: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    mixed: np.ndarray = random.normal(size=(rows, width)) @ random.normal(size=(width, width)) + 5.0
    return mixed.astype(np.float32)


@given(st.integers(0, 1000), st.integers(3, 6))
@settings(max_examples=20, deadline=None)
def test_whitened_features_have_mean_zero_and_identity_covariance(seed: int, width: int) -> None:
    features = correlated(200, width, seed)
    whitened = Whitening.fit(features, components=width, epsilon=0)(features).astype(np.float64)
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(width), atol=1e-2)


def test_the_leading_directions_are_kept() -> None:
    random = np.random.default_rng(0)
    features = (random.normal(size=(500, 3)) * [0.1, 10.0, 1.0]).astype(np.float32)
    whitening = Whitening.fit(features, components=2)
    assert whitening.map.shape == (3, 2)
    strength = np.abs(whitening.map) * features.std(axis=0)[:, None]
    np.testing.assert_allclose(strength[[1, 2], [0, 1]], 1.0, atol=0.02)
    # A sample's whitened value is how many standard deviations it lies from the mean.
    np.testing.assert_allclose(
        np.abs(whitening(features)[:, 0]),
        np.abs(features[:, 1] - features[:, 1].mean()) / features[:, 1].std(),
        atol=0.1,
    )


def test_directions_without_variance_are_left_out() -> None:
    basis = correlated(100, 2)
    features = np.concatenate([basis, basis.sum(axis=1, keepdims=True), np.ones((100, 1), np.float32)], axis=1)
    whitening = Whitening.fit(features, components=10)
    assert whitening.map.shape == (4, 2)
    np.testing.assert_allclose(np.cov(whitening(features).T), np.eye(2), atol=1e-2)


def test_fewer_rows_than_components() -> None:
    features = correlated(5, 8)
    whitening = Whitening.fit(features, components=8)
    assert whitening.map.shape == (8, 4)
    assert np.isfinite(whitening(correlated(3, 8, seed=1))).all()


def test_equal_rows_have_no_direction() -> None:
    assert Whitening.fit(np.ones((6, 3), np.float32), components=2).map.shape == (3, 0)


def test_one_row_is_an_error() -> None:
    with pytest.raises(ValueError, match="whitening needs at least two samples"):
        Whitening.fit(np.ones((1, 3), np.float32), components=2)


@given(st.integers(0, 1000), st.integers(1, 70))
@settings(max_examples=20, deadline=None)
def test_chunks_give_the_same_map(seed: int, size: int) -> None:
    features = correlated(60, 5, seed) + np.float32(1000)
    whole = Whitening.fit(features, components=4)
    parts = Whitening.fit_chunks((features[start : start + size] for start in range(0, 60, size)), components=4)
    np.testing.assert_allclose(parts.mean, whole.mean, rtol=1e-6)
    assert parts.map.shape == whole.map.shape
    signs = np.sign((parts.map * whole.map).sum(axis=0))
    np.testing.assert_allclose(parts.map * signs, whole.map, rtol=1e-3, atol=1e-4)


def test_chunks_with_few_or_equal_rows() -> None:
    features = correlated(5, 8)
    assert Whitening.fit_chunks([features[:2], features[2:]], components=8).map.shape == (8, 4)
    assert Whitening.fit_chunks([np.ones((3, 3), np.float32)] * 2, components=2).map.shape == (3, 0)
    for chunks in ([], [np.ones((1, 3), np.float32)]):
        with pytest.raises(ValueError, match="whitening needs at least two samples"):
            Whitening.fit_chunks(chunks, components=2)
