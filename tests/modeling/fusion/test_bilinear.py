from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from .parts import ALL, BOTH, IMAGE, TEXT, arrays, assert_close, build, make_streams, mean, samples


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (BOTH, ("text", "image")),
        (ALL, ("text", "image", "knowledge")),
        (ALL, ("text", "image")),
        (TEXT, ("text",)),
        (IMAGE, ("image",)),
    ],
)
def test_values(fields: dict[str, Any], names: tuple[str, ...]) -> None:
    fusion = build("bilinear", **fields)
    streams, P = make_streams(*names), arrays(fusion)
    expected = []
    for parts in zip(*(samples(streams[name]) for name in names), strict=True):
        product: Any = 1.0
        for name, tokens in zip(names, parts, strict=True):
            if len(tokens):
                product = product * np.tanh(P[f"factors.{name}.weight"] @ mean(tokens))
        expected.append(P["output.weight"] @ product + P["output.bias"])
    fused = fusion(streams)
    assert_close(fused.hidden.squeeze(1).detach(), np.stack(expected))
    assert fused.mask is None


def test_it_is_linear_in_each_factor() -> None:
    fusion = build("bilinear", **BOTH)
    streams = make_streams("text", "image")
    before = fusion(streams).hidden - fusion.output.bias
    with torch.no_grad():
        fusion.factors["text"].weight.neg_()
    assert_close((fusion(streams).hidden - fusion.output.bias).detach(), -before.detach())
