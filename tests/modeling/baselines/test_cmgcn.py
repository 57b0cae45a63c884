from __future__ import annotations

import numpy as np
import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling.baselines.cmgcn import normalise_graph, window_edges

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import Array, Parameters, linear, relu, softmax

LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 3], "knowledge": [3, 0, 2]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}


def graph_of(nodes: list[tuple[str, Array]], window: int) -> Array:
    """Edge by edge."""
    flat = [(kind, position, vector) for kind, vectors in nodes for position, vector in enumerate(vectors)]
    edges = np.zeros((len(flat), len(flat)))
    for i, (kind_i, position_i, g_i) in enumerate(flat):
        for j, (kind_j, position_j, g_j) in enumerate(flat):
            if kind_i != kind_j:
                edges[i, j] = max(0.0, g_i @ g_j / np.linalg.norm(g_i) / np.linalg.norm(g_j))
            elif i == j or (kind_i == "text" and abs(position_i - position_j) <= window):
                edges[i, j] = 1
    return edges


def reference(sample: dict[str, Array], P: Parameters, window: int) -> Array:
    nodes = [(name, linear(tokens, P, f"nodes.{name}")) for name, tokens in sample.items()]
    edges = graph_of(nodes, window)
    degree = np.diag(edges.sum(axis=1) ** -0.5)
    hidden = np.concatenate([vectors for _, vectors in nodes])
    for layer in range(2):
        hidden = relu(linear(degree @ edges @ degree @ hidden, P, f"convolutions.{layer}"))
    text = nodes[0][1]
    scores = [sum(word @ node for node in hidden) / len(hidden) / np.sqrt(6) for word in text]
    return linear(softmax(np.array(scores)) @ text, P, "dense")


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("names", [("text", "image", "knowledge"), ("text", "image")])
def test_graph_convolutions(names: tuple[str, ...], window: int) -> None:
    baseline = build("cmgcn", *names, window=window)
    found = baseline({name: STREAMS[name] for name in names}).hidden.detach()
    assert found.shape == (3, 1, 6)
    for row in range(3):
        sample = {name: STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in names if LENGTHS[name][row]}
        close(found[row, 0], reference(sample, arrays(baseline), window))


def test_window_edges() -> None:
    assert window_edges(4, 1).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert torch.equal(window_edges(3, 0), torch.eye(3))


def test_normalise_graph() -> None:
    found = normalise_graph(torch.tensor([[[1.0, 3, 0], [3, 1, 0], [0, 0, 0]]]))
    assert found.tolist() == [[[0.25, 0.75, 0], [0.75, 0.25, 0], [0, 0, 0]]]


def test_window_is_a_distance() -> None:
    with pytest.raises(ModelError, match="'cmgcn' has window=-1; it is a distance of tokens, 0 or more"):
        build("cmgcn", window=-1)


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("cmgcn", "text", "image", "knowledge"), STREAMS)


def test_a_batch_without_attributes() -> None:
    baseline = build("cmgcn", "text", "image", "knowledge")
    found = baseline({name: STREAMS[name] for name in ("text", "image")}).hidden
    sample = {name: STREAMS[name].hidden[0, : LENGTHS[name][0]].numpy() for name in ("text", "image")}
    close(found[0, 0].detach(), reference(sample, arrays(baseline), 2))


def test_gradients_reach_every_parameter() -> None:
    baseline = build("cmgcn", "text", "image", "knowledge")
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())
