from __future__ import annotations

import numpy as np
import pytest

from clfa.errors import ModelError

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream


@pytest.mark.parametrize("vector", ["cls", "mean"])
def test_pooler(vector: str) -> None:
    baseline = build("text_transformer", "text", vector=vector)
    text = stream("text", [5, 2])
    found = baseline({"text": text}).hidden[:, 0].detach()
    P = arrays(baseline)
    for row, length in enumerate([5, 2]):
        tokens = text.hidden[row, :length].numpy()
        picked = tokens[0] if vector == "cls" else tokens.sum(axis=0) / length
        close(found[row], np.tanh(P["pooler.weight"] @ picked + P["pooler.bias"]))


def test_cls_is_the_default() -> None:
    streams = {"text": stream("text", [5, 2])}
    close(
        build("text_transformer", "text")(streams).hidden.detach(),
        build("text_transformer", "text", vector="cls")(streams).hidden.detach(),
    )


@pytest.mark.parametrize("vector", ["cls", "mean"])
def test_padding_changes_nothing(vector: str) -> None:
    streams = {"text": stream("text", [6, 4, 1])}
    assert_padding_changes_nothing(build("text_transformer", "text", vector=vector), streams)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("text_transformer", "text")
    assert_gradients_reach(baseline, baseline({"text": stream("text", [5, 3])}).hidden.square().sum())


def test_another_vector() -> None:
    with pytest.raises(ModelError, match="'text_transformer' has vector='max'; choose cls or mean"):
        build("text_transformer", "text", vector="max")
