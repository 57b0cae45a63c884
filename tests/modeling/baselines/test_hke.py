from __future__ import annotations

import numpy as np
import pytest
import torch

from clfa.errors import ModelError
from clfa.modeling.baselines.hke import GraphAttention

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import Array, Parameters, context_layer, layer_norm, linear, relu, softmax

LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 3], "knowledge": [3, 0, 2]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}


def graph_attention(nodes: Array, edges: Array, P: Parameters, name: str, heads: int = 2) -> Array:
    """Node by node and head by head."""
    values = nodes @ P[f"{name}values.weight"].T
    size = values.shape[1] // heads
    result = np.zeros_like(values)
    for i in range(len(nodes)):
        neighbours = np.flatnonzero(edges[i])
        for head in range(heads):
            source, target = P[f"{name}source.weight"][head], P[f"{name}target.weight"][head]
            scores = np.array([source @ values[i] + target @ values[j] for j in neighbours])
            weights = softmax(np.where(scores > 0, scores, 0.2 * scores))
            columns = slice(head * size, (head + 1) * size)
            result[i, columns] = weights @ values[neighbours, columns]
    return layer_norm(relu(result), P, f"{name}layer_norm")


def importance(tokens: Array, P: Parameters, name: str) -> Array:
    return softmax(tokens @ P[f"{name}.weight"][0])


def congruity(text: Array, context: Array, P: Parameters, name: str, window: int) -> Array:
    updated = text
    for number in range(2):
        updated = context_layer(updated, context, P, f"{name}.layers.{number}")
    atomic = importance(updated, P, f"{name}.token_importance") @ (updated @ context.T) / np.sqrt(6)
    sentence = importance(text, P, f"{name}.sentence_importance") @ updated
    positions = np.arange(len(text))
    near = np.abs(positions[:, None] - positions[None, :]) <= window
    phrases, regions = updated, context
    for number in range(2):
        phrases = graph_attention(phrases, near, P, f"{name}.text_graph.{number}.")
        regions = graph_attention(regions, np.ones((len(context),) * 2), P, f"{name}.context_graph.{number}.")
    phrases = np.concatenate([phrases, sentence[None]])
    composed = importance(phrases, P, f"{name}.phrase_importance") @ (phrases @ regions.T) / np.sqrt(6)
    weight = importance(context, P, f"{name}.context_importance")
    return np.concatenate([(weight * atomic) @ context, (weight * composed) @ regions])


def reference(sample: dict[str, Array], P: Parameters, window: int = 2) -> Array:
    def normed(tokens: Array, name: str) -> Array:
        return layer_norm(linear(tokens, P, f"{name}.0"), P, f"{name}.1")

    text = normed(sample["text"], "text")
    result = linear(congruity(text, normed(sample["image"], "image"), P, "congruity.image", window), P, "outputs.image")
    if "knowledge" in sample:
        words = normed(sample["knowledge"], "text")
        agreement = congruity(text, words, P, "congruity.knowledge", window)
        result = result + linear(agreement, P, "outputs.knowledge")
    return result


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("names", [("text", "image", "knowledge"), ("text", "image")])
def test_hierarchical_congruity(names: tuple[str, ...], window: int) -> None:
    baseline = build("hke", *names, window=window)
    found = baseline({name: STREAMS[name] for name in names}).hidden.detach()
    assert found.shape == (3, 1, 6)
    for row in range(3):
        sample = {name: STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in names if LENGTHS[name][row]}
        np.testing.assert_allclose(found[row, 0], reference(sample, arrays(baseline), window), rtol=0, atol=1e-7)


def test_graph_attention() -> None:
    torch.manual_seed(0)
    layer = GraphAttention(6, 2).double()
    nodes, edges = torch.randn(1, 4, 6).double(), torch.rand(1, 4, 4) > 0.4
    edges |= torch.eye(4, dtype=torch.bool)
    close(layer(nodes, edges)[0].detach(), graph_attention(nodes[0].numpy(), edges[0].numpy(), arrays(layer), ""))


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("hke", "text", "image", "knowledge"), STREAMS)


def test_a_batch_without_knowledge() -> None:
    baseline = build("hke", "text", "image", "knowledge")
    found = baseline({name: STREAMS[name] for name in ("text", "image")}).hidden
    sample = {name: STREAMS[name].hidden[0, : LENGTHS[name][0]].numpy() for name in ("text", "image")}
    np.testing.assert_allclose(found[0, 0].detach(), reference(sample, arrays(baseline)), rtol=0, atol=1e-7)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("hke", "text", "image", "knowledge")
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())


@pytest.mark.parametrize("options", [{"graph_layers": 0}, {"window": -1}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(ModelError, match="'hke' needs graph_layers of at least 1 and window of at least 0; they are"):
        build("hke", **options)
