from __future__ import annotations

import numpy as np
import pytest
import torch

from clfa.modeling.fusion import Stream

from .parts import ALL, BOTH, assert_close, build, make_streams, mean, samples


@pytest.mark.parametrize("names", [("text", "image"), ("text", "image", "knowledge")])
def test_values(names: tuple[str, ...]) -> None:
    streams = make_streams(*names)
    expected = sum(np.stack([mean(tokens) for tokens in samples(streams[name])]) for name in names)
    fused = build("sum", **ALL)(streams)
    assert_close(fused.hidden.squeeze(1), expected)
    assert fused.mask is None


def test_by_hand() -> None:
    text = Stream(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]]), torch.tensor([[1, 1, 0]]))
    image = Stream(torch.tensor([[[10.0, 20.0]]]))
    fused = build("sum", **BOTH)({"text": text, "image": image})
    assert fused.hidden.tolist() == [[[12.0, 23.0]]]


def test_it_has_no_parameters() -> None:
    assert list(build("sum", **ALL).parameters()) == []
