"""An LSTM step by step in NumPy, to hold the baselines against."""

from __future__ import annotations

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm(
    x: np.ndarray, P: dict[str, np.ndarray], name: str, suffix: str = "_l0", backwards: bool = False
) -> np.ndarray:
    """States (T, H) of one sample's tokens (T, W), at the positions of the tokens; ``name`` is the nn.LSTM's."""
    w_x, w_h = P[f"{name}.weight_ih{suffix}"], P[f"{name}.weight_hh{suffix}"]
    bias = P[f"{name}.bias_ih{suffix}"] + P[f"{name}.bias_hh{suffix}"]
    size = w_h.shape[1]
    h, c, states = np.zeros(size), np.zeros(size), np.zeros((len(x), size))
    for position in reversed(range(len(x))) if backwards else range(len(x)):
        gates = w_x @ x[position] + w_h @ h + bias
        i, f, g, o = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states[position] = h
    return states
