from __future__ import annotations

import math

import numpy as np
import pytest

from clfa.guides import retrieval_report
from clfa.guides.maps import FeatureMap, FittedSettings, fit_maps


def test_a_linear_map() -> None:
    found = FeatureMap(np.array([[1.0, 2.0], [0.0, -1.0]], np.float32))(np.array([[3.0, 1.0]], np.float32))
    assert found.tolist() == [[3.0, 5.0]]


def test_a_map_with_hidden_units() -> None:
    # One input, two hidden units with 2 x + 1 and -x, and one output that is x + 10 gelu(2 x + 1) + 100 gelu(-x).
    weight, hidden = np.array([[1.0], [10.0], [100.0]]), np.array([[2.0, -1.0]])
    each = FeatureMap(*(array.astype(np.float32) for array in (weight, hidden, np.array([1.0, 0.0]))))

    def gelu(x: float) -> float:
        return x * (1 + math.erf(x / math.sqrt(2))) / 2

    found = each(np.array([[0.5], [-1.0]], np.float32))
    expected = [[x + 10 * gelu(2 * x + 1) + 100 * gelu(-x)] for x in (0.5, -1.0)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def _curved(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts, and images that depend on the products of their neighbouring numbers alone."""
    random = np.random.default_rng(seed)
    texts = random.normal(size=(count, 6))
    images = texts * np.roll(texts, 1, axis=1) + 0.05 * random.normal(size=texts.shape)
    return texts.astype(np.float32), images.astype(np.float32)


@pytest.mark.parametrize(("kind", "low", "high"), [("linear", 0.0, 0.1), ("mlp", 0.3, 1.0)])
def test_hidden_units_fit_what_is_not_linear(kind: str, low: float, high: float) -> None:
    settings = FittedSettings(
        dim=16, map=kind, hidden_size=64, dropout=0.0, epochs=30, batch_size=100, learning_rate=5e-3
    )
    text_map, image_map = fit_maps(*_curved(0, 1500), settings, seed=1)
    texts, images = _curved(1, 100)
    assert low <= retrieval_report(text_map(texts), image_map(images)).rank1 <= high
    assert (text_map.hidden_weight is None) == (kind == "linear")
    again = FeatureMap.from_arrays("text_map", text_map.arrays("text_map"))
    assert np.array_equal(again(texts), text_map(texts))
