from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedModel

from clfa.cpu import unpadded
from clfa.cpu.encoder_attention import ATTENTION, use_fast_attention
from clfa.cpu.unpadded import TokenLayout, leaving_padding_out_pays
from clfa.modeling.encoders import encode_text

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
KINDS = ("bert", "electra", "roberta", "xlm-roberta", "camembert")
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])


def encoder_of(kind: str, **options: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=50, max_position_embeddings=20, type_vocab_size=2, embedding_size=16, **SIZES, **options
    )
    return AutoModel.from_config(config).double().eval()


def batch(kind: str) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(5, 50, MASK.shape, generator=generator)
    padding = AutoConfig.for_model(kind).pad_token_id
    return {"input_ids": ids.where(MASK.bool(), torch.tensor(padding)), "attention_mask": MASK}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("typed", [False, True])
def test_what_the_encoder_gives_with_padding(kind: str, typed: bool) -> None:
    encoder, inputs = encoder_of(kind), batch(kind)
    if typed:
        inputs["token_type_ids"] = torch.tensor([[0, 0, 1, 1, 1]] * 4)
    upstream = torch.randn(4, 5, 16, dtype=torch.float64) * MASK[..., None]
    results = []
    for fast in (False, True):
        if fast:
            use_fast_attention(encoder)
        assert leaving_padding_out_pays(encoder, ATTENTION, MASK) is fast
        encoder.zero_grad()
        hidden = encode_text(encoder, **inputs)
        hidden.backward(upstream)
        grads = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
        results.append((hidden * MASK[..., None], grads))
    torch.testing.assert_close(results[1][0], results[0][0], atol=1e-12, rtol=0)
    assert results[0][1].keys() == results[1][1].keys()
    for name, gradient in results[0][1].items():
        torch.testing.assert_close(results[1][1][name], gradient, atol=1e-12, rtol=0, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_encoder_sees_no_padding(kind: str) -> None:
    encoder = encoder_of(kind)
    use_fast_attention(encoder)
    shapes: list[tuple[int, ...]] = []
    for layer in encoder.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda layer, inputs, output: shapes.append(tuple(inputs[0].shape[:-1])))
    hidden = encode_text(encoder, **batch(kind))
    assert hidden.shape == (4, 5, 16)
    assert not hidden[~MASK.bool()].any()
    assert shapes.count((1, 11)) >= 12
    # A pooler, where there is one, reads the row's first token.
    assert set(shapes) <= {(1, 11), (1,)}


def test_with_dropout_it_trains() -> None:
    encoder = encoder_of("bert", attention_probs_dropout_prob=0.5, hidden_dropout_prob=0.0)
    use_fast_attention(encoder)
    encoder.train()
    torch.manual_seed(0)
    many = torch.stack([encode_text(encoder, **batch("bert")) for _ in range(3)])
    assert not torch.allclose(many[0], many[1])
    many.sum().backward()
    assert torch.isfinite(encoder.embeddings.word_embeddings.weight.grad).all()


def test_layout_there_and_back() -> None:
    layout = TokenLayout.of(MASK)
    assert layout.places.tolist() == [0, 1, 2, 3, 4, 5, 6, 10, 15, 16, 17]
    rows = torch.arange(22.0).view(11, 2).requires_grad_()
    padded = layout.spread(rows)
    assert padded[1].tolist() == [[10, 11], [12, 13], [0, 0], [0, 0], [0, 0]]
    assert torch.equal(layout.collect(padded), rows)
    (layout.collect(padded) * torch.arange(11.0)[:, None]).sum().backward()
    assert torch.equal(rows.grad, torch.arange(11.0)[:, None].expand(11, 2))
    double = torch.randn(11, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layout.spread, [double])
    assert torch.autograd.gradcheck(layout.collect, [torch.randn(4, 5, 2, dtype=torch.float64, requires_grad=True)])


def test_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of("bert")
    assert not leaving_padding_out_pays(encoder, ATTENTION, MASK)
    use_fast_attention(encoder)
    assert leaving_padding_out_pays(encoder, ATTENTION, MASK)
    assert not leaving_padding_out_pays(encoder, ATTENTION, None)
    assert not leaving_padding_out_pays(encoder, ATTENTION, torch.ones(4, 5))
    assert not leaving_padding_out_pays(encoder, ATTENTION, torch.zeros(4, 5))
    assert not leaving_padding_out_pays(encoder, ATTENTION, MASK.to("meta"))
    assert not leaving_padding_out_pays(nn.Linear(1, 1), ATTENTION, MASK)
    few = torch.ones(4, 20)
    few[0, -4:] = 0
    assert not leaving_padding_out_pays(encoder, ATTENTION, few)
    few[0, -6:] = 0
    assert leaving_padding_out_pays(encoder, ATTENTION, few)
    encoder.config.is_decoder = True
    assert not leaving_padding_out_pays(encoder, ATTENTION, MASK)
    encoder.config.is_decoder = False
    monkeypatch.delitem(unpadded._POSITIONS, "bert")
    assert not leaving_padding_out_pays(encoder, ATTENTION, MASK)
