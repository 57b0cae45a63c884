from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, CLIPConfig, CLIPModel, PreTrainedModel, ViTConfig, ViTModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from clfa.cpu.encoder_attention import ATTENTION, attend, exchange

TOLERANCE = {torch.float32: {"atol": 1e-6, "rtol": 1e-5}, torch.bfloat16: {"atol": 2e-2, "rtol": 2e-2}}
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def _bert(**options: object) -> BertModel:
    torch.manual_seed(0)
    return BertModel(BertConfig(vocab_size=40, **SIZES), add_pooling_layer=False).eval()


def states(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("own", [None, True, False])
@pytest.mark.parametrize("given", [None, True, False])
@pytest.mark.parametrize("masked", [True, False])
def test_like_transformers(dtype: torch.dtype, own: bool | None, given: bool | None, masked: bool) -> None:
    layer = nn.Module().eval()
    if own is not None:
        layer.is_causal = own
    query, key, value = (states(2, 3, 5, 8, seed=seed, dtype=dtype) for seed in range(3))
    mask = states(2, 1, 5, 5, seed=3) > 0.2 if masked else None
    options = {"attention_mask": mask, "scaling": 0.3, "is_causal": given}
    found, _ = attend(layer, query, key, value, **options)
    expected, _ = sdpa_attention_forward(layer, query.float(), key.float(), value.float(), **options)
    assert (found.dtype, found.shape) == (dtype, (2, 5, 3, 8))
    assert found.is_contiguous()
    torch.testing.assert_close(found.float(), expected, **TOLERANCE[dtype])


def test_a_single_query_reads_all_keys() -> None:
    key = states(1, 2, 4, 8, dtype=torch.bfloat16)
    found, _ = attend(nn.Module(), key[:, :, :1], key, key, is_causal=True)
    expected, _ = attend(nn.Module(), key[:, :, :1], key, key, is_causal=False)
    assert torch.equal(found, expected)


def test_grouped_keys_and_position_biases_are_left_to_transformers() -> None:
    layer = nn.Module().eval()
    layer.num_key_value_groups = 2
    query, key = (states(1, heads, 3, 8, dtype=torch.bfloat16) for heads in (4, 2))
    found, _ = attend(layer, query, key, key, is_causal=False)
    expected, _ = sdpa_attention_forward(layer, query, key, key, None, is_causal=False)
    assert torch.equal(found, expected)
    bias = 5 * states(1, 4, 3, 3, seed=1, dtype=torch.bfloat16)
    found, _ = attend(nn.Module(), query, query, query, is_causal=False, position_bias=bias)
    expected, _ = sdpa_attention_forward(nn.Module(), query, query, query, bias, is_causal=False)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_additive_masks(dtype: torch.dtype) -> None:
    query = states(1, 1, 3, 4, seed=1, dtype=dtype)
    mask = torch.zeros(1, 1, 3, 3, dtype=dtype)
    mask[..., 2] = float("-inf")
    found, _ = attend(nn.Module().eval(), query, query, query, mask, is_causal=False)
    shorter, _ = attend(nn.Module().eval(), query, query[:, :, :2], query[:, :, :2], is_causal=False)
    torch.testing.assert_close(found, shorter, **TOLERANCE[dtype])


def test_an_encoder_gives_what_it_gave(tmp_path: Path) -> None:
    encoder = _bert()
    ids = torch.randint(0, 40, (3, 9))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    before = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    encoder.save_pretrained(tmp_path / "before")
    exchange(encoder)
    assert encoder.config._attn_implementation == ATTENTION
    assert torch.equal(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, before)
    encoder.save_pretrained(tmp_path / "after")
    assert (tmp_path / "after/config.json").read_text() == (tmp_path / "before/config.json").read_text()


def test_a_vision_encoder_under_autocast_is_near_float32() -> None:
    torch.manual_seed(0)
    encoder: PreTrainedModel = ViTModel(ViTConfig(image_size=32, patch_size=8, **SIZES), add_pooling_layer=False).eval()
    exchange(encoder)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(pixel_values=pixels).last_hidden_state
    torch.testing.assert_close(found.float(), encoder(pixel_values=pixels).last_hidden_state, atol=0.05, rtol=0.05)


def test_other_implementations_are_left_alone() -> None:
    encoder = _bert()
    encoder.set_attn_implementation("eager")
    exchange(encoder)
    exchange(nn.Linear(1, 1))
    assert encoder.config._attn_implementation == "eager"


def test_a_model_of_two_towers_is_left_to_its_towers() -> None:
    words, patches = {"vocab_size": 20, **SIZES}, {"image_size": 16, "patch_size": 8, **SIZES}
    model = CLIPModel(CLIPConfig(text_config=words, vision_config=patches))
    exchange(model)
    assert model.text_model.config._attn_implementation == "sdpa"
    exchange(model.text_model)
    assert model.config._attn_implementation == model.vision_model.config._attn_implementation == "sdpa"
    assert model.text_model.config._attn_implementation == ATTENTION
