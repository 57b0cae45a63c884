from __future__ import annotations

import torch

from modeling import formulas

from .parts import ALL, BOTH, HEADS, IMAGE, TEXT, assert_close, build, make_streams, with_graphs


def test_values() -> None:
    fusion = build("two_way", **ALL)
    streams = with_graphs(make_streams())
    P = {name: parameter.detach() for name, parameter in fusion.named_parameters()}
    text, image = streams["text"].hidden, streams["image"].hidden
    (_, mask, bias), (knowledge, knowledge_mask, knowledge_bias) = streams["text"], streams["knowledge"]
    for number in range(2):
        t, i = f"layers.{number}.text", f"layers.{number}.image"
        x = formulas.attention_sub_layer(text, text, P, f"{t}.self_attention", mask, bias, HEADS)
        x = formulas.attention_sub_layer(x, image, P, f"{t}.cross_attention.image", None, heads=HEADS)
        x = formulas.attention_sub_layer(
            x, knowledge, P, f"{t}.cross_attention.knowledge", knowledge_mask, knowledge_bias, HEADS
        )
        y = formulas.attention_sub_layer(image, image, P, f"{i}.self_attention", None, heads=HEADS)
        y = formulas.attention_sub_layer(y, text, P, f"{i}.cross_attention.text", mask, heads=HEADS)
        text = formulas.feed_forward_sub_layer(x, P, f"{t}.feed_forward")
        image = formulas.feed_forward_sub_layer(y, P, f"{i}.feed_forward")
    assert_close(fusion(streams).hidden.detach(), torch.cat([text, image], dim=1))


def test_mask_covers_both_streams() -> None:
    streams = make_streams("text", "image")
    fused = build("two_way", **BOTH)(streams)
    assert fused.mask is not None
    assert fused.mask.tolist() == [[1, 1, 1, 0] + [1] * 5, [1, 0, 0, 0] + [1] * 5, [1, 1, 1, 1] + [1] * 5]
    unmasked = build("two_way", **BOTH)({name: stream._replace(mask=None) for name, stream in streams.items()})
    assert unmasked.mask is None


def test_without_layers_tokens_stand_behind_one_another() -> None:
    streams = make_streams()
    fused = build("two_way", **ALL, num_fusion_layers=0)(streams)
    assert torch.equal(fused.hidden, torch.cat([streams["text"].hidden, streams["image"].hidden], dim=1))


def test_the_image_does_not_query_the_knowledge() -> None:
    layer = build("two_way", **ALL).layers[0]
    assert list(layer["text"].cross_attention) == ["image", "knowledge"]
    assert list(layer["image"].cross_attention) == ["text"]


def test_one_modality_is_the_papers_fusion() -> None:
    for fields, name in ((TEXT | {"use_knowledge": True}, "text"), (IMAGE, "image")):
        two_way, paper = build("two_way", **fields), build("cross_attention", **fields)
        paper.load_state_dict({key.replace(f".{name}.", ".", 1): v for key, v in two_way.state_dict().items()})
        streams = with_graphs(make_streams("text", "knowledge")) if name == "text" else make_streams("image")
        assert torch.equal(two_way(streams).hidden, paper(streams).hidden)
