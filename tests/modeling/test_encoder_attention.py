from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertModel, PreTrainedModel, ViTConfig, ViTModel

from clfa.modeling.encoder_attention import ATTENTION, attend, use_fast_attention

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}


def _bert(**options: object) -> BertModel:
    torch.manual_seed(0)
    return BertModel(BertConfig(vocab_size=40, **SIZES), add_pooling_layer=False).eval()


def test_bfloat16_is_the_rounded_float32_result() -> None:
    torch.manual_seed(0)
    layer = nn.Module().eval()
    query, key, value = (torch.randn(2, 3, n, 8).bfloat16().requires_grad_() for n in (5, 7, 7))
    mask = torch.rand(2, 1, 5, 7) > 0.3
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = attend(layer, query, key, value, mask, dropout=0.0, is_causal=False)
    scores = query.double() @ key.double().transpose(-1, -2) / 8**0.5
    weights = scores.masked_fill(~mask, float("-inf")).softmax(-1)
    expected = (weights @ value.double()).transpose(1, 2)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected.float().bfloat16(), atol=0, rtol=2**-7)
    # Attention that itself runs in bfloat16 is further away than the last rounding.
    assert (found.double() - expected).abs().max() <= (expected.abs() * 2**-8).max()
    found.float().sum().backward()
    assert query.grad is not None
    assert query.grad.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_additive_masks(dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    query = torch.randn(1, 1, 3, 4).to(dtype)
    mask = torch.zeros(1, 1, 3, 3, dtype=dtype)
    mask[..., 2] = float("-inf")
    found, _ = attend(nn.Module().eval(), query, query, query, mask, dropout=0.0, is_causal=False)
    shorter, _ = attend(nn.Module().eval(), query, query[:, :, :2], query[:, :, :2], dropout=0.0, is_causal=False)
    torch.testing.assert_close(found, shorter, atol=1e-6 if dtype == torch.float32 else 1e-2, rtol=1e-2)


def test_an_encoder_gives_what_it_gave(tmp_path: Path) -> None:
    encoder = _bert()
    ids = torch.randint(0, 40, (3, 9))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    before = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    encoder.save_pretrained(tmp_path / "before")
    use_fast_attention(encoder)
    assert encoder.config._attn_implementation == ATTENTION
    assert torch.equal(encoder(input_ids=ids, attention_mask=mask).last_hidden_state, before)
    encoder.save_pretrained(tmp_path / "after")
    assert (tmp_path / "after/config.json").read_text() == (tmp_path / "before/config.json").read_text()


def test_a_vision_encoder_under_autocast_is_near_float32() -> None:
    torch.manual_seed(0)
    encoder: PreTrainedModel = ViTModel(ViTConfig(image_size=32, patch_size=8, **SIZES), add_pooling_layer=False).eval()
    use_fast_attention(encoder)
    pixels = torch.randn(2, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        found = encoder(pixel_values=pixels).last_hidden_state
    torch.testing.assert_close(found.float(), encoder(pixel_values=pixels).last_hidden_state, atol=0.05, rtol=0.05)


def test_other_implementations_are_left_alone() -> None:
    encoder = _bert()
    encoder.set_attn_implementation("eager")
    use_fast_attention(encoder)
    assert encoder.config._attn_implementation == "eager"
