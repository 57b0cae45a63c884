"""What every fusion promises, whatever it computes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.modeling.fusion import FUSIONS, Stream

from .parts import ALL, BOTH, IMAGE, TEXT, WIDTH, assert_close, build, make_stream, make_streams, present, with_graphs

NAMES = FUSIONS.names()
LAYERED = ("cross_attention", "image_queries_text", "two_way", "joint")
FIELDS = {
    "both": (BOTH, ("text", "image")),
    "all": (ALL, ("text", "image", "knowledge")),
    "text": (TEXT, ("text",)),
    "image": (IMAGE, ("image",)),
    "text and knowledge": (TEXT | {"use_knowledge": True}, ("text", "knowledge")),
}
kinds = pytest.mark.parametrize(("fields", "names"), FIELDS.values(), ids=FIELDS)
fusions = pytest.mark.parametrize("name", NAMES)


def pad(stream: Stream, more: int, scale: float = 100.0) -> Stream:
    """``more`` padding tokens of noise behind the others."""
    noise = scale * torch.randn(len(stream.hidden), more, WIDTH, dtype=torch.float64)
    mask = torch.ones(stream.hidden.shape[:2], dtype=torch.long) if stream.mask is None else stream.mask
    bias = None if stream.bias is None else torch.nn.functional.pad(stream.bias, (0, more))
    return Stream(torch.cat([stream.hidden, noise], dim=1), torch.nn.functional.pad(mask, (0, more)), bias)


def pad_all(streams: dict[str, Stream], more: dict[str, int]) -> dict[str, Stream]:
    padded = {name: pad(stream, more[name]) for name, stream in streams.items()}
    for name, stream in padded.items():
        if stream.bias is not None:
            padded[name] = stream._replace(bias=torch.nn.functional.pad(stream.bias, (0, 0, 0, more["text"])))
    return padded


@fusions
@kinds
def test_fused_tokens_have_the_models_width_and_depend_on_every_stream(
    name: str, fields: dict[str, Any], names: tuple[str, ...]
) -> None:
    fusion = build(name, **fields)
    streams = make_streams(*names)
    fused = fusion(streams)
    assert fused.hidden.shape[0] == 3
    assert fused.hidden.shape[2] == WIDTH
    assert fused.mask is None or fused.mask.shape == fused.hidden.shape[:2]
    assert torch.isfinite(fused.hidden).all()
    for stream in names:
        moved = fusion(streams | {stream: streams[stream]._replace(hidden=streams[stream].hidden + 1)})
        difference = torch.cat(present(moved)) - torch.cat(present(fused))
        assert difference.abs().max() > 1e-4


@fusions
@kinds
def test_gradients_reach_every_parameter_and_every_stream(
    name: str, fields: dict[str, Any], names: tuple[str, ...]
) -> None:
    fusion = build(name, **fields)
    streams = {
        stream: part._replace(hidden=part.hidden.clone().requires_grad_())
        for stream, part in make_streams(*names).items()
    }
    torch.stack([(tokens**3).mean() for tokens in present(fusion(streams))]).sum().backward()
    for parameter_name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, parameter_name
        # A key's bias shifts all of a query's scores alike, which the softmax undoes.
        if not parameter_name.endswith("key.bias"):
            assert parameter.grad.abs().max() > 1e-9, parameter_name
    for part in streams.values():
        assert part.hidden.grad is not None
        keep = torch.ones(part.hidden.shape[:2], dtype=torch.bool) if part.mask is None else part.mask.bool()
        assert (part.hidden.grad[keep].abs().amax(dim=-1) > 0).all()
        assert not part.hidden.grad[~keep].any()


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.tuples(*[st.integers(1, 4)] * 2, st.integers(0, 3)), min_size=1, max_size=3),
    more=st.fixed_dictionaries(dict.fromkeys(("text", "image", "knowledge"), st.integers(0, 3))),
    graphs=st.booleans(),
)
@fusions
def test_padding_changes_nothing(
    name: str, lengths: list[tuple[int, int, int]], more: dict[str, int], graphs: bool
) -> None:
    fusion = build(name, **ALL)
    streams = {
        stream: make_stream([sample[position] for sample in lengths], tokens=4, seed=position)
        for position, stream in enumerate(("text", "image", "knowledge"))
    }
    if graphs:
        streams = with_graphs(streams)
    fused, padded = present(fusion(streams)), present(fusion(pad_all(streams, more)))
    for expected, actual in zip(fused, padded, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-11)


@fusions
def test_samples_do_not_see_each_other(name: str) -> None:
    fusion = build(name, **ALL)
    streams = with_graphs(make_streams())
    together = present(fusion(streams))
    for number in range(3):
        one = {
            stream: Stream(*(None if part is None else part[number : number + 1] for part in parts))
            for stream, parts in streams.items()
        }
        torch.testing.assert_close(present(fusion(one))[0], together[number], rtol=0, atol=1e-11)


@fusions
@pytest.mark.parametrize("fields", [ALL, TEXT | {"use_knowledge": True}], ids=["both", "text"])
def test_absent_knowledge_has_no_effect(name: str, fields: dict[str, Any]) -> None:
    fusion = build(name, **fields)
    names = ("text", "image") if "vision_config" in fields else ("text",)
    streams = make_streams(*names)
    absent = present(fusion(streams))
    nowhere = present(fusion(streams | {"knowledge": make_stream([0, 0, 0], tokens=4, seed=5)}))
    somewhere = present(fusion(streams | {"knowledge": make_stream([2, 4, 0], seed=6)}))
    assert torch.equal(somewhere[2], nowhere[2])
    for number in range(3):
        if name == "joint":
            # Masked tokens have weight 0 in the one softmax over all of them, but its sums are taken in another order.
            torch.testing.assert_close(nowhere[number], absent[number], rtol=0, atol=1e-13)
        else:
            assert torch.equal(nowhere[number], absent[number])
    for number in range(2):
        same_shape = somewhere[number].shape == absent[number].shape
        assert not same_shape or (somewhere[number] - absent[number]).abs().max() > 1e-4


@fusions
def test_number_of_layers(name: str) -> None:
    streams = make_streams("text", "image")
    if name in LAYERED:
        assert [len(build(name, **BOTH, num_fusion_layers=count).layers) for count in (0, 1, 3)] == [0, 1, 3]
        assert build(name, **BOTH, num_fusion_layers=0)(streams).hidden.shape[2] == WIDTH
    else:
        few, many = (sum(p.numel() for p in build(name, **BOTH, num_fusion_layers=n).parameters()) for n in (0, 3))
        assert few == many


@fusions
def test_fields_not_in_the_configuration_are_not_built(name: str) -> None:
    counts = [sum(p.numel() for p in build(name, **fields).parameters()) for fields in (TEXT, BOTH, ALL)]
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    ("name", "fields", "acts"),
    [
        ("cross_attention", ALL, {"text", "knowledge"}),
        ("image_queries_text", ALL, set()),
        ("image_queries_text", TEXT | {"use_knowledge": True}, {"text", "knowledge"}),
        ("two_way", ALL, {"text", "knowledge"}),
        ("joint", ALL, {"text", "knowledge"}),
        ("co_attention", ALL, {"knowledge"}),
        *((name, ALL, set()) for name in ("concat", "sum", "gated", "bilinear", "late")),
    ],
)
def test_graphs_act_where_text_queries(name: str, fields: dict[str, Any], acts: set[str]) -> None:
    fusion = build(name, **fields)
    streams = make_streams() if "vision_config" in fields else make_streams("text", "knowledge")
    plain = torch.cat(present(fusion(streams)))
    for stream in ("text", "knowledge"):
        changed = torch.cat(present(fusion(streams | {stream: with_graphs(streams)[stream]})))
        if stream in acts:
            assert (changed - plain).abs().max() > 1e-4
        else:
            assert_close(changed.detach(), plain.detach())
