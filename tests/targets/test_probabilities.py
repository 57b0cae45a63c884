from __future__ import annotations

import numpy as np

from clfa.targets.probabilities import sigmoid, softmax


def test_softmax() -> None:
    np.testing.assert_allclose(softmax(np.log([[0.2, 0.3, 0.5]])), [[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(softmax(np.array([[1e4, 0.0], [-1e4, -1e4]], np.float32)), [[1, 0], [0.5, 0.5]])


def test_sigmoid_of_large_outputs_is_finite() -> None:
    found = sigmoid(np.array([0.0, 2.0, -800.0, 800.0], np.float32))
    np.testing.assert_allclose(found, [0.5, 1 / (1 + np.exp(-2.0)), 0, 1])
