from __future__ import annotations

import numpy as np
import torch

from clfa.blending.fold import folded
from clfa.modeling.wide import WideBranch
from clfa.yardsticks.base import LinearMap
from clfa.yardsticks.blocks import Scale


def test_the_fold_is_the_weighted_sum_of_the_linear_models() -> None:
    rng = np.random.default_rng(0)
    tokens = rng.normal(2, 3, (4, 5, 6)).astype(np.float32)
    pooled = tokens.mean(axis=1)
    scale = Scale.fit(pooled)
    terms = np.zeros((4, 7), np.float32)
    terms[0, [1, 5]], terms[2, 3] = [0.5, 0.25], 2
    first = LinearMap({"text": rng.normal(size=(6, 3)), "terms": rng.normal(size=(7, 3))}, rng.normal(size=3))
    second = LinearMap({"text": rng.normal(size=(6, 3))}, rng.normal(size=3))
    shares = [np.array([0.5, 1, 0]), np.array([0.1, 0.2, 0.3])]
    x = scale.apply(pooled)
    expected = shares[0] * (first.bias + x @ first.weights["text"] + terms @ first.weights["terms"])
    expected = expected + shares[1] * (second.bias + x @ second.weights["text"])

    state = folded([first, second], shares, {"text": 6, "image": 2}, {"text": scale})
    branch = WideBranch(3, {"text": 6, "image": 2}, num_terms=7)
    branch.load_state_dict(state)
    ids = torch.tensor([[1, 5], [0, 0], [3, 0], [0, 0]])
    weights = torch.tensor([[0.5, 0.25], [0, 0], [2, 0], [0, 0]])
    encoded = {"text_features": torch.tensor(tokens), "image_features": torch.randn(4, 3, 2)}
    np.testing.assert_allclose(branch(encoded, {}, ids, weights).numpy(), expected, atol=1e-4)


def test_without_terms_there_are_none_in_the_state() -> None:
    state = folded([LinearMap({}, np.array([1.0, 2.0]))], [np.array([0.5, 0.5])], {"image": 2}, {})
    assert {name: tensor.tolist() for name, tensor in state.items()} == {
        "bias": [0.5, 1.0],
        "image_mean": [0, 0],
        "image_weight": [[0, 0], [0, 0]],
    }
