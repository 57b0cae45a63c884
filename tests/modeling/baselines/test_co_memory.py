from __future__ import annotations

import numpy as np
import pytest

from clfa.errors import ModelError

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .recurrence import lstm


def read(P: dict[str, np.ndarray], name: str, memory: np.ndarray, query: np.ndarray) -> np.ndarray:
    """What one hop takes out of a memory (N, D)."""
    shift = P[f"{name}.guides.0.weight"] @ query + P[f"{name}.token.bias"]
    scores = [P[f"{name}.score.weight"][0] @ np.tanh(P[f"{name}.token.weight"] @ m + shift) for m in memory]
    weights = np.exp(scores) / np.exp(scores).sum()
    taken: np.ndarray = weights @ memory
    return taken


@pytest.mark.parametrize("hops", [1, 3])
def test_each_memory_is_read_with_the_others_query(hops: int) -> None:
    baseline = build("co_memory", hops=hops)
    streams = {"text": stream("text", [5, 2]), "image": stream("image", [4, 3])}
    found = baseline(streams).hidden[:, 0].detach()
    P = arrays(baseline)
    for row, (t, i) in enumerate([(5, 4), (2, 3)]):
        words = lstm(streams["text"].hidden[row, :t].numpy(), P, "text_memory.lstm")
        cells = streams["image"].hidden[row, :i].numpy()
        regions = np.tanh(cells @ P["image_memory.weight"].T + P["image_memory.bias"])
        text, image = words.mean(axis=0), regions.mean(axis=0)
        for _ in range(hops):
            text, image = (
                text + read(P, "text_attention", words, image),
                image + read(P, "image_attention", regions, text),
            )
        expected = (P["dense.weight"] @ np.concatenate([text, image]) + P["dense.bias"]).clip(min=0)
        assert (expected > 0).any()
        close(found[row], expected)


def test_six_hops_by_default_share_their_weights() -> None:
    assert build("co_memory").hops == 6
    assert {name: p.shape for name, p in build("co_memory", hops=1).named_parameters()} == {
        name: p.shape for name, p in build("co_memory").named_parameters()
    }


def test_padding_changes_nothing() -> None:
    streams = {"text": stream("text", [5, 3, 1]), "image": stream("image", [4, 2, 4])}
    assert_padding_changes_nothing(build("co_memory", hops=2), streams)


def test_knowledge_is_not_read() -> None:
    baseline = build("co_memory", "text", "image", "knowledge")
    streams = {"text": stream("text", [5, 3]), "image": stream("image", [4, 4])}
    with_knowledge = baseline(streams | {"knowledge": stream("knowledge", [2, 1])}).hidden
    close(with_knowledge.detach(), baseline(streams).hidden.detach())


def test_gradients_reach_every_parameter() -> None:
    baseline = build("co_memory", hops=2)
    streams = {name: stream(name, [4] * 16) for name in ("text", "image")}
    assert_gradients_reach(baseline, baseline(streams).hidden.square().sum())


def test_no_hops() -> None:
    with pytest.raises(ModelError, match="'co_memory' has hops=0; it needs at least 1"):
        build("co_memory", hops=0)
