from __future__ import annotations

from typing import Any

import pytest
import torch

from clfa.modeling import CLFAConfig
from clfa.modeling.fusion import Stream
from clfa.modeling.fusion.cross_attention import CrossAttentionFusion

TEXT, IMAGE = {"text_config": {"model_type": "bert"}}, {"vision_config": {"model_type": "vit"}}


def build(**fields: Any) -> CrossAttentionFusion:
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12, "num_fusion_layers": 2}
    return CrossAttentionFusion(CLFAConfig(**(sizes | fields))).double().eval()


def stream(batch: int, tokens: int, lengths: list[int] | None = None, seed: int = 0) -> Stream:
    hidden = torch.randn(batch, tokens, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    mask = None if lengths is None else torch.tensor([[1] * n + [0] * (tokens - n) for n in lengths])
    return Stream(hidden, mask)


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_text_queries_and_keeps_its_mask() -> None:
    text, image = stream(2, 3, [3, 2]), stream(2, 5, seed=1)
    fused = build(**TEXT, **IMAGE)({"text": text, "image": image})
    assert fused.hidden.shape == (2, 3, 8)
    assert fused.mask is text.mask


def test_the_image_queries_where_there_is_no_text() -> None:
    fusion = build(**IMAGE)
    assert fusion.query_name == "image"
    assert len(fusion.layers[0].cross_attention) == 0
    assert fusion({"image": stream(2, 5)}).hidden.shape == (2, 5, 8)


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        (TEXT, []),
        (TEXT | {"use_knowledge": True}, ["knowledge"]),
        (TEXT | IMAGE, ["image"]),
        (TEXT | IMAGE | {"use_knowledge": True}, ["image", "knowledge"]),
    ],
)
def test_one_cross_attention_per_context(fields: dict[str, Any], names: list[str]) -> None:
    assert [list(layer.cross_attention) for layer in build(**fields).layers] == [names, names]


def test_number_of_layers() -> None:
    assert len(build(**TEXT, num_fusion_layers=5).layers) == 5
    assert build(**TEXT, num_fusion_layers=0)({"text": stream(1, 2)}).hidden.shape == (1, 2, 8)


def test_an_absent_context_equals_one_with_all_tokens_masked() -> None:
    fusion = build(**TEXT, **IMAGE, use_knowledge=True)
    streams = {"text": stream(2, 3, [3, 2]), "image": stream(2, 5, seed=1)}
    absent = fusion(streams)
    masked = fusion(streams | {"knowledge": stream(2, 4, [0, 0], seed=2)})
    assert torch.equal(absent.hidden, masked.hidden)


def test_an_absent_context_costs_nothing() -> None:
    fusion = build(**TEXT, **IMAGE, use_knowledge=True)
    calls = []
    for layer in fusion.layers:
        layer.cross_attention["knowledge"].register_forward_hook(lambda *_: calls.append("knowledge"))
    fusion({"text": stream(2, 3), "image": stream(2, 5, seed=1)})
    assert calls == []
    fusion({"text": stream(2, 3), "image": stream(2, 5, seed=1), "knowledge": stream(2, 4, [4, 0], seed=2)})
    assert calls == ["knowledge", "knowledge"]


def test_knowledge_of_one_sample_does_not_touch_the_other() -> None:
    fusion = build(**TEXT, **IMAGE, use_knowledge=True)
    streams = {"text": stream(2, 3, [3, 2]), "image": stream(2, 5, seed=1)}
    without = fusion(streams).hidden
    with_one = fusion(streams | {"knowledge": stream(2, 4, [4, 0], seed=2)}).hidden
    assert torch.equal(without[1], with_one[1])
    assert (without[0] - with_one[0]).abs().max() > 1e-3


def test_padding_changes_nothing() -> None:
    fusion = build(**TEXT, **IMAGE, use_knowledge=True)
    short = {"text": stream(1, 3), "image": stream(1, 4, seed=1), "knowledge": stream(1, 2, seed=2)}
    long = {
        name: Stream(
            torch.cat([part.hidden, 50 * torch.randn(1, 6, 8, dtype=torch.float64)], dim=1),
            torch.tensor([[1] * part.hidden.shape[1] + [0] * 6]),
        )
        for name, part in short.items()
    }
    close(fusion(long).hidden[:, :3], fusion(short).hidden)


def test_graphs_reach_their_attention() -> None:
    fusion = build(**TEXT, **IMAGE, use_knowledge=True)
    streams = {"text": stream(1, 3), "image": stream(1, 4, seed=1), "knowledge": stream(1, 2, seed=2)}
    plain = fusion(streams).hidden
    for name, shape in (("text", (1, 3, 3)), ("knowledge", (1, 3, 2))):
        graph = torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
        changed = fusion(streams | {name: streams[name]._replace(bias=graph)}).hidden
        assert (changed - plain).abs().max() > 1e-4
