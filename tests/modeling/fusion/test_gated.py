from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from .parts import ALL, BOTH, IMAGE, TEXT, WIDTH, arrays, assert_close, build, make_streams, mean, samples


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def test_values_of_the_bimodal_form() -> None:
    fusion = build("gated", **BOTH)
    streams, P = make_streams("text", "image"), arrays(fusion)
    expected = []
    for text, image in zip(samples(streams["text"]), samples(streams["image"]), strict=True):
        t, v = mean(text), mean(image)
        z = sigmoid(P["gates.weight"] @ np.concatenate([t, v]))
        expected.append(z * np.tanh(P["values.text.weight"] @ t) + (1 - z) * np.tanh(P["values.image.weight"] @ v))
    fused = fusion(streams)
    assert_close(fused.hidden.squeeze(1).detach(), np.stack(expected))
    assert fused.mask is None


@pytest.mark.parametrize(
    ("fields", "names"), [(ALL, ("text", "image", "knowledge")), (TEXT, ("text",)), (IMAGE, ("image",))]
)
def test_values_of_the_general_form(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    fusion = build("gated", **fields)
    streams, P = make_streams(*names), arrays(fusion)
    expected = []
    for tokens in zip(*(samples(streams[name]) for name in names), strict=True):
        means = [mean(part) for part in tokens]
        h = np.zeros(WIDTH)
        for number, name in enumerate(names):
            gate = P["gates.weight"][number * WIDTH : (number + 1) * WIDTH]
            h += sigmoid(gate @ np.concatenate(means)) * np.tanh(P[f"values.{name}.weight"] @ means[number])
        expected.append(h)
    assert_close(fusion(streams).hidden.squeeze(1).detach(), np.stack(expected))


def test_an_open_gate_lets_one_modality_through() -> None:
    fusion = build("gated", **BOTH)
    streams = make_streams("text", "image")
    with torch.no_grad():
        # Every gate's score is 100 times the sum of the text's mean features, which is made positive.
        fusion.gates.weight.zero_()
        fusion.gates.weight[:, :WIDTH] = 100.0
        streams["text"] = streams["text"]._replace(hidden=streams["text"].hidden.abs())
        text = fusion.values["text"](
            torch.stack([torch.from_numpy(mean(tokens)) for tokens in samples(streams["text"])])
        )
    assert_close(fusion(streams).hidden.squeeze(1).detach(), torch.tanh(text))
