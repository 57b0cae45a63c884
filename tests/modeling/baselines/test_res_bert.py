from __future__ import annotations

import numpy as np
from transformers import CLIPTextConfig, ResNetConfig, ViTConfig

from .batches import arrays, assert_gradients_reach, assert_padding_changes_nothing, build, close, stream
from .by_hand import linear

STREAMS = {"text": stream("text", [5, 2, 1]), "image": stream("image", [4, 4, 3])}


def test_pooled_grid_beside_cls() -> None:
    baseline = build("res_bert")
    found = baseline(STREAMS).hidden.detach()
    assert found.shape == (3, 1, 6)
    for row, length in enumerate([4, 4, 3]):
        grid, text = STREAMS["image"].hidden[row, :length].numpy(), STREAMS["text"].hidden[row].numpy()
        close(found[row, 0], linear(np.concatenate([grid.mean(axis=0), text[0]]), arrays(baseline), "dense"))


def test_vectors_are_those_of_the_encoders() -> None:
    fields = {"text_config": CLIPTextConfig().to_dict(), "vision_config": ViTConfig().to_dict()}
    baseline = build("res_bert", fields=fields)
    found = baseline(STREAMS).hidden.detach()
    image, text = STREAMS["image"].hidden[0, 0].numpy(), STREAMS["text"].hidden[0, 4].numpy()
    close(found[0, 0], linear(np.concatenate([image, text]), arrays(baseline), "dense"))
    baseline = build("res_bert", fields={"vision_config": ResNetConfig().to_dict()})
    close(baseline(STREAMS).hidden.detach(), build("res_bert")(STREAMS).hidden.detach())


def test_padding_changes_nothing() -> None:
    assert_padding_changes_nothing(build("res_bert"), STREAMS)


def test_gradients_reach_every_parameter() -> None:
    baseline = build("res_bert")
    assert_gradients_reach(baseline, baseline(STREAMS).hidden.square().sum())
