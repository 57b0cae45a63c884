from __future__ import annotations

import pytest
import torch

from modeling import formulas

from .parts import ALL, BOTH, HEADS, assert_close, build, make_streams, with_graphs


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("names", [("text", "image"), ("text", "image", "knowledge")])
def test_values(names: tuple[str, ...], graphs: bool) -> None:
    fusion = build("joint", **ALL)
    streams = make_streams(*names)
    if graphs:
        streams = with_graphs(streams)
    P = {name: parameter.detach() for name, parameter in fusion.named_parameters()}
    x = torch.cat([streams[name].hidden + P["type_embeddings.weight"][n] for n, name in enumerate(names)], dim=1)
    knowledge = [[1, 1, 0], [1, 1, 1], [0, 0, 0]]
    mask = torch.tensor(
        [
            [1] * length + [0] * (4 - length) + [1] * 5 + row * ("knowledge" in names)
            for length, row in zip((3, 1, 4), knowledge, strict=True)
        ]
    )
    bias = torch.zeros(3, x.shape[1], x.shape[1], dtype=torch.float64)
    if graphs:
        bias[:, :4, :4] = streams["text"].bias
        if "knowledge" in names:
            bias[:, :4, 9:] = streams["knowledge"].bias
    for number in range(2):
        layer = f"layers.{number}"
        x = formulas.attention_sub_layer(x, x, P, f"{layer}.attention", mask, bias, HEADS)
        x = formulas.feed_forward_sub_layer(x, P, f"{layer}.feed_forward")
    fused = fusion(streams)
    assert_close(fused.hidden.detach(), x)
    assert fused.mask is not None
    assert torch.equal(fused.mask, mask.bool())


def test_types_tell_the_modalities_apart() -> None:
    fusion = build("joint", **BOTH, num_fusion_layers=0)
    streams = make_streams("text", "image")
    fused = fusion(streams).hidden
    text_type, image_type = fusion.type_embeddings.weight
    assert torch.equal(fused[:, :4], streams["text"].hidden + text_type)
    assert torch.equal(fused[:, 4:], streams["image"].hidden + image_type)
    assert (text_type - image_type).abs().max() > 0.1


def test_no_mask_is_made_where_none_is_needed() -> None:
    streams = {name: stream._replace(mask=None) for name, stream in make_streams("text", "image").items()}
    assert build("joint", **BOTH)(streams).mask is None
