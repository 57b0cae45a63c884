from __future__ import annotations

from math import erf, sqrt

import numpy as np
import pytest

from .parts import ALL, BOTH, WIDTH, arrays, assert_close, build, make_streams, mean, samples

ACTIVATIONS = {
    "gelu": np.vectorize(lambda x: x * (1 + erf(x / sqrt(2))) / 2),
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("names", [("text", "image"), ("text", "image", "knowledge")])
def test_values(names: tuple[str, ...], activation: str) -> None:
    fusion = build("concat", **ALL, hidden_act=activation)
    streams, P = make_streams(*names), arrays(fusion)
    parts = [np.stack([mean(tokens) for tokens in samples(streams[name])]) for name in names]
    parts += [np.zeros((3, WIDTH))] * (3 - len(names))
    expected = ACTIVATIONS[activation](np.concatenate(parts, axis=1) @ P["dense.weight"].T + P["dense.bias"])
    fused = fusion(streams)
    assert_close(fused.hidden.squeeze(1).detach(), expected)
    assert fused.mask is None


def test_one_column_block_per_stream() -> None:
    assert build("concat", **BOTH).dense.weight.shape == (8, 16)
    assert build("concat", **ALL).dense.weight.shape == (8, 24)
