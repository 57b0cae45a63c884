"""Softmax, layers and recurrences in NumPy, for one sample without padding; ``P`` is parameters by name."""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray
Parameters = dict[str, np.ndarray]
_erf = np.vectorize(math.erf)


def softmax(scores: Array, axis: int = -1) -> Array:
    powers = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def gelu(x: Array) -> Array:
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def linear(x: Array, P: Parameters, name: str) -> Array:
    y = x @ P[f"{name}.weight"].T
    return y + P[f"{name}.bias"] if f"{name}.bias" in P else y


def layer_norm(x: Array, P: Parameters, name: str, epsilon: float = 1e-12) -> Array:
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * P[f"{name}.weight"] + P[f"{name}.bias"]


def context_layer(x: Array, context: Array, P: Parameters, name: str, heads: int = 2) -> Array:
    """Post-norm multi-head attention from x (N, D) to the context (M, D), then feed-forward."""
    q, k, v = (
        linear(part, P, f"{name}.attention.{role}")
        for part, role in ((x, "query"), (context, "key"), (context, "value"))
    )
    size = q.shape[-1] // heads
    parts = []
    for head in range(heads):
        columns = slice(head * size, (head + 1) * size)
        weights = softmax(q[:, columns] @ k[:, columns].T / math.sqrt(size))
        parts.append(weights @ v[:, columns])
    attended = linear(np.concatenate(parts, axis=-1), P, f"{name}.attention.output")
    x = layer_norm(x + attended, P, f"{name}.attention.layer_norm")
    inner = linear(gelu(linear(x, P, f"{name}.feed_forward.fc1")), P, f"{name}.feed_forward.fc2")
    return layer_norm(x + inner, P, f"{name}.feed_forward.layer_norm")


def guided_attention(tokens: Array, guides: list[Array], P: Parameters, name: str) -> Array:
    """Weights (N,) of additive attention."""
    inner = linear(tokens, P, f"{name}.token")
    for number, guide in enumerate(guides):
        inner = inner + linear(guide, P, f"{name}.guides.{number}")
    return softmax(linear(np.tanh(inner), P, f"{name}.score")[:, 0])


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def bi_lstm(x: Array, P: Parameters, name: str, start: Array | None = None) -> Array:
    """States (T, 2 H); ``start`` is [h forwards; c forwards; h backwards; c backwards] (4 H,)."""
    size = P[f"{name}.weight_hh_l0"].shape[1]
    h_f, c_f, h_b, c_b = np.zeros((4, size)) if start is None else start.reshape(4, size)
    states = np.zeros((len(x), 2 * size))
    for suffix, h, c, order, columns in (
        ("_l0", h_f, c_f, range(len(x)), slice(0, size)),
        ("_l0_reverse", h_b, c_b, range(len(x) - 1, -1, -1), slice(size, 2 * size)),
    ):
        bias = P[f"{name}.bias_ih{suffix}"] + P[f"{name}.bias_hh{suffix}"]
        for position in order:
            gates = P[f"{name}.weight_ih{suffix}"] @ x[position] + P[f"{name}.weight_hh{suffix}"] @ h + bias
            i, f, g, o = gates.reshape(4, size)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            states[position, columns] = h
    return states
