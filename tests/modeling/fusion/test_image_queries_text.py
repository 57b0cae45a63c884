from __future__ import annotations

import pytest
import torch

from clfa.modeling.fusion.cross_attention import CrossAttentionFusion
from modeling import formulas

from .parts import ALL, BOTH, HEADS, IMAGE, TEXT, assert_close, build, make_streams, with_graphs


def test_values() -> None:
    fusion = build("image_queries_text", **ALL)
    streams = make_streams()
    P = {name: parameter.detach() for name, parameter in fusion.named_parameters()}
    x = streams["image"].hidden
    for number in range(2):
        layer = f"layers.{number}"
        x = formulas.attention_sub_layer(x, x, P, f"{layer}.self_attention", None, heads=HEADS)
        for name in ("text", "knowledge"):
            context, mask, _ = streams[name]
            x = formulas.attention_sub_layer(x, context, P, f"{layer}.cross_attention.{name}", mask, heads=HEADS)
        x = formulas.feed_forward_sub_layer(x, P, f"{layer}.feed_forward")
    assert_close(fusion(with_graphs(streams)).hidden.detach(), x)


def test_the_image_queries_and_keeps_its_mask() -> None:
    streams = make_streams()
    streams["image"] = streams["image"]._replace(mask=torch.tensor([[1, 1, 1, 0, 0]] * 3))
    fused = build("image_queries_text", **ALL)(streams)
    assert fused.hidden.shape == (3, 5, 8)
    assert fused.mask is streams["image"].mask
    assert fused.bias is None


@pytest.mark.parametrize(("fields", "query"), [(BOTH, "image"), (IMAGE, "image"), (TEXT, "text")])
def test_query_stream(fields: dict[str, object], query: str) -> None:
    assert build("image_queries_text", **fields).query_name == query


def test_text_alone_is_the_papers_fusion() -> None:
    fields = TEXT | {"use_knowledge": True}
    swapped, paper = build("image_queries_text", **fields), build("cross_attention", **fields)
    assert isinstance(paper, CrossAttentionFusion)
    paper.load_state_dict(swapped.state_dict())
    streams = with_graphs(make_streams("text", "knowledge"))
    assert torch.equal(swapped(streams).hidden, paper(streams).hidden)
