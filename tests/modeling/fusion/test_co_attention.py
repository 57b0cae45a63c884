from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from clfa.modeling.fusion.co_attention import attend

from .parts import ALL, BOTH, IMAGE, TEXT, WIDTH, arrays, assert_close, build, make_streams, samples, with_graphs


def softmax(scores: Any) -> Any:
    powers = np.exp(scores - scores.max())
    return powers / powers.sum()


def co_attention(first: Any, second: Any, bias: Any, P: dict[str, Any], name: str) -> Any:
    """Equations 3 to 5 with tokens as columns, as in the paper: q + v."""
    Q, V = first.T, second.T
    W_b, W_q, W_v = (P[f"{name}.{part}.weight"] for part in ("affinity", "first", "second"))
    C = np.tanh(Q.T @ W_b @ V + bias)
    H_v = np.tanh(W_v @ V + (W_q @ Q) @ C)
    H_q = np.tanh(W_q @ Q + (W_v @ V) @ C.T)
    a_v = softmax(P[f"{name}.second_score.weight"][0] @ H_v)
    a_q = softmax(P[f"{name}.first_score.weight"][0] @ H_q)
    return Q @ a_q + V @ a_v


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("names", [("text", "image"), ("text", "image", "knowledge")])
def test_values(names: tuple[str, ...], graphs: bool) -> None:
    fusion = build("co_attention", **ALL)
    streams, P = make_streams(*names), arrays(fusion)
    if graphs:
        streams = with_graphs(streams)
    tokens = {name: samples(stream) for name, stream in streams.items()}
    expected = []
    for number in range(3):
        text = tokens["text"][number]
        total = co_attention(text, tokens["image"][number], 0, P, "main")
        if "knowledge" in names and len(tokens["knowledge"][number]):
            knowledge, bias = tokens["knowledge"][number], streams["knowledge"].bias
            scores = 0 if bias is None else bias[number, : len(text), : len(knowledge)].numpy()
            total = total + co_attention(text, knowledge, scores, P, "knowledge")
        expected.append(np.tanh(P["output.weight"] @ total))
    fused = fusion(streams)
    assert_close(fused.hidden.squeeze(1).detach(), np.stack(expected))
    assert fused.mask is None


@pytest.mark.parametrize(("fields", "name"), [(TEXT, "text"), (IMAGE, "image")])
def test_values_of_one_modality(fields: dict[str, Any], name: str) -> None:
    fusion = build("co_attention", **fields)
    streams, P = make_streams(name), arrays(fusion)
    expected = []
    for tokens in samples(streams[name]):
        weights = softmax(P["main.score.weight"][0] @ np.tanh(P["main.dense.weight"] @ tokens.T))
        expected.append(np.tanh(P["output.weight"] @ (tokens.T @ weights)))
    assert_close(fusion(streams).hidden.squeeze(1).detach(), np.stack(expected))


def test_without_scores_it_adds_the_means() -> None:
    fusion = build("co_attention", **BOTH)
    streams = make_streams("text", "image")
    with torch.no_grad():
        fusion.main.first_score.weight.zero_()
        fusion.main.second_score.weight.zero_()
        fusion.output.weight.copy_(torch.eye(WIDTH))
    means = sum(np.stack([tokens.mean(axis=0) for tokens in samples(streams[name])]) for name in streams)
    assert_close(fusion(streams).hidden.squeeze(1).detach(), np.tanh(means))


def test_attending_to_nothing_gives_zeros() -> None:
    hidden = torch.ones(2, 3, 4)
    attended = attend(hidden, torch.zeros(2, 3), torch.tensor([[0, 0, 0], [1, 0, 1]]))
    assert attended.tolist() == [[0.0] * 4, [1.0] * 4]
