from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, PreTrainedModel

from clfa.cpu import encoder_attention, unpadded
from clfa.cpu.unpadded import leaving_padding_out_pays

SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
KINDS = ("bert", "electra", "roberta", "xlm-roberta", "camembert")
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 0, 0]])


def encoder_of(kind: str, **options: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=50, max_position_embeddings=20, type_vocab_size=2, embedding_size=16, **SIZES, **options
    )
    return AutoModel.from_config(config).double().eval()


def use(encoder: PreTrainedModel) -> PreTrainedModel:
    """The encoder with this lever and the one that it needs."""
    encoder_attention.exchange(encoder)
    unpadded.exchange(encoder)
    return encoder


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
            use(encoder)
        assert leaving_padding_out_pays(encoder, MASK) is fast
        encoder.zero_grad()
        hidden = encoder(**inputs).last_hidden_state
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
    use(encoder)
    shapes: list[tuple[int, ...]] = []
    for layer in encoder.modules():
        if isinstance(layer, nn.Linear):
            layer.register_forward_hook(lambda layer, inputs, output: shapes.append(tuple(inputs[0].shape[:-1])))
    hidden = encoder(**batch(kind)).last_hidden_state
    assert hidden.shape == (4, 5, 16)
    assert not hidden[~MASK.bool()].any()
    assert shapes.count((1, 11)) >= 12
    # A pooler, where there is one, reads the row's first token, and then those of the texts.
    assert set(shapes) <= {(1, 11), (1,), (4,)}


def test_with_dropout_it_trains() -> None:
    encoder = encoder_of("bert", attention_probs_dropout_prob=0.5, hidden_dropout_prob=0.0)
    use(encoder)
    encoder.train()
    torch.manual_seed(0)
    many = torch.stack([encoder(**batch("bert")).last_hidden_state for _ in range(3)])
    assert not torch.allclose(many[0], many[1])
    many.sum().backward()
    assert torch.isfinite(encoder.embeddings.word_embeddings.weight.grad).all()


def test_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of("bert")
    assert not leaving_padding_out_pays(encoder, MASK)
    use(encoder)
    assert leaving_padding_out_pays(encoder, MASK)
    assert not leaving_padding_out_pays(encoder, None)
    assert not leaving_padding_out_pays(encoder, torch.ones(4, 5))
    assert not leaving_padding_out_pays(encoder, torch.zeros(4, 5))
    assert not leaving_padding_out_pays(encoder, MASK.to("meta"))
    few = torch.ones(4, 20)
    few[0, -4:] = 0
    assert not leaving_padding_out_pays(encoder, few)
    few[0, -6:] = 0
    assert leaving_padding_out_pays(encoder, few)
    for name, value in (("is_decoder", True), ("output_hidden_states", True), ("return_dict", False)):
        with monkeypatch.context() as patch:
            patch.setattr(encoder.config, name, value)
            assert not leaving_padding_out_pays(encoder, MASK)
    assert leaving_padding_out_pays(encoder, MASK)


def test_only_encoders_of_the_family_are_exchanged() -> None:
    torch.manual_seed(0)
    others = [AutoModel.from_config(AutoConfig.for_model("distilbert", dim=16, n_heads=2, n_layers=1, vocab_size=9))]
    others += [AutoModelForSequenceClassification.from_config(encoder_of("bert").config), nn.Linear(1, 1)]
    for module in others:
        unpadded.exchange(module)
        assert "forward" not in vars(module)
    wrapped = encoder_of("bert")
    wrapped.forward = wrapped.forward
    before = wrapped.forward
    unpadded.exchange(wrapped)
    assert wrapped.forward is before


def test_the_pooled_output_is_that_of_each_text() -> None:
    encoder = encoder_of("bert")
    expected = encoder(**batch("bert")).pooler_output
    found = use(encoder)(**batch("bert")).pooler_output
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_other_arguments_are_the_encoders_own_business() -> None:
    encoder, inputs = encoder_of("bert"), batch("bert")
    positions = {"position_ids": torch.arange(5).flip(0).expand(4, -1)}
    expected = [
        encoder(**inputs, output_hidden_states=True).hidden_states[1],
        encoder(**inputs, **positions).last_hidden_state,
        encoder(inputs["input_ids"], MASK).last_hidden_state,
    ]
    use(encoder)
    found = [
        encoder(**inputs, output_hidden_states=True).hidden_states[1],
        encoder(**inputs, **positions).last_hidden_state,
        encoder(inputs["input_ids"], MASK).last_hidden_state,
    ]
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=0)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda module: pickle.loads(pickle.dumps(module))])  # noqa: S301
def test_a_copy_runs_on_its_own_weights(duplicate: Callable[[PreTrainedModel], PreTrainedModel]) -> None:
    encoder = use(encoder_of("bert"))
    before = encoder(**batch("bert")).last_hidden_state
    copied = duplicate(encoder)
    assert torch.equal(copied(**batch("bert")).last_hidden_state, before)
    with torch.no_grad():
        encoder.embeddings.LayerNorm.weight.mul_(2)
    assert torch.equal(copied(**batch("bert")).last_hidden_state, before)
    assert not torch.allclose(encoder(**batch("bert")).last_hidden_state, before)
