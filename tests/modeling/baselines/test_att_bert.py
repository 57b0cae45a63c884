from __future__ import annotations

import numpy as np
import pytest

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import Array, Parameters, context_layer, linear, softmax

LENGTHS = {"text": [5, 2, 1], "image": [4, 4, 3], "knowledge": [3, 0, 2]}
STREAMS = {name: stream(name, lengths) for name, lengths in LENGTHS.items()}


def reference(sample: dict[str, Array], P: Parameters, intra: bool) -> Array:
    text, regions = linear(sample["text"], P, "text"), linear(sample["image"], P, "image")
    inter = text
    for number in range(2):
        inter = context_layer(inter, regions, P, f"layers.{number}")
    parts = [inter[0]]
    if intra:
        parts.append(np.zeros(6))
        if "knowledge" in sample:
            hashtags = linear(sample["knowledge"], P, "hashtags")
            affinity = np.tanh(hashtags @ P["affinity.weight"].T @ text.T)
            parts[1] = softmax(affinity.max(axis=1)) @ hashtags
    return linear(np.concatenate(parts), P, "dense")


@pytest.mark.parametrize("names", [("text", "image", "knowledge"), ("text", "image")])
def test_inter_and_intra(names: tuple[str, ...]) -> None:
    baseline = build("att_bert", *names)
    found = baseline({name: STREAMS[name] for name in names}).hidden.detach()
    assert found.shape == (3, 1, 6)
    for row in range(3):
        sample = {name: STREAMS[name].hidden[row, : LENGTHS[name][row]].numpy() for name in names if LENGTHS[name][row]}
        close(found[row, 0], reference(sample, arrays(baseline), "knowledge" in names))


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("att_bert", "text", "image", "knowledge"), STREAMS)


def test_a_batch_without_hashtags() -> None:
    baseline = build("att_bert", "text", "image", "knowledge")
    found = baseline({name: STREAMS[name] for name in ("text", "image")}).hidden
    sample = {name: STREAMS[name].hidden[0, : LENGTHS[name][0]].numpy() for name in ("text", "image")}
    close(found[0, 0].detach(), reference(sample, arrays(baseline), intra=True))


def test_gradients_reach_every_parameter() -> None:
    baseline = build("att_bert", "text", "image", "knowledge")
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())
