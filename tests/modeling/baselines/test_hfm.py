from __future__ import annotations

import numpy as np
import pytest

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import Array, Parameters, bi_lstm, guided_attention, linear, relu, softmax

LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 3], "knowledge": [3, 0, 2]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}


def reference(samples: dict[str, Array], P: Parameters) -> Array:
    """The paper's three fusions over the modalities that the sample has."""
    samples, start, guides = dict(samples), None, {}
    if "knowledge" in samples:
        attributes = samples["knowledge"]
        guides["knowledge"] = guided_attention(attributes, [], P, "attribute_attention") @ attributes
        start = relu(linear(guides["knowledge"], P, "early_fusion"))
    samples["text"] = bi_lstm(samples["text"], P, "lstm.lstm", start)
    guides |= {name: samples[name].mean(axis=0) for name in ("text", "image")}
    scores, values = [], []
    for name, tokens in samples.items():
        weights = [
            guided_attention(tokens, [guides[guide]], P, f"representation_fusion.{name}_by_{guide}")
            for guide in samples
        ]
        summary = np.mean(weights, axis=0) @ tokens
        scores.append(linear(np.tanh(linear(summary, P, f"importance.{name}.0")), P, f"importance.{name}.2")[0])
        values.append(np.tanh(linear(summary, P, f"transform.{name}")))
    return relu(linear(softmax(np.array(scores)) @ np.array(values), P, "dense"))


@pytest.mark.parametrize("names", [("text", "image", "knowledge"), ("text", "image")])
def test_hierarchical_fusion(names: tuple[str, ...]) -> None:
    baseline = build("hfm", *names)
    found = baseline({name: STREAMS[name] for name in names}).hidden.detach()
    assert found.shape == (3, 1, 6)
    for row in range(3):
        # The second sample has no attributes: text and image alone.
        sample = {name: STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in names if LENGTHS[name][row]}
        close(found[row, 0], reference(sample, arrays(baseline)))


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("hfm", "text", "image", "knowledge"), STREAMS)


def test_a_batch_without_attributes() -> None:
    baseline = build("hfm", "text", "image", "knowledge")
    found = baseline({name: STREAMS[name] for name in ("text", "image")}).hidden
    sample = {name: STREAMS[name].hidden[0, : LENGTHS[name][0]].numpy() for name in ("text", "image")}
    close(found[0, 0].detach(), reference(sample, arrays(baseline)))


def test_gradients_reach_every_parameter() -> None:
    baseline = build("hfm", "text", "image", "knowledge")
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())
