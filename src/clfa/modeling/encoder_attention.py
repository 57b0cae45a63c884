"""Attention of loaded encoders, in float32 where a CPU computes the rest in bfloat16."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

ATTENTION = "clfa_sdpa"


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' ``sdpa`` attention; bfloat16 on a CPU goes through float32.

    PyTorch's fused attention for CPUs takes five times as long backwards in bfloat16 as in float32, more than the two
    conversions cost many times over. The result is the more exact one.

    Args:
        module: The attention layer.
        query: (B, heads, N, D), like ``key`` and ``value`` (B, heads, M, D).
        key: See ``query``.
        value: See ``query``.
        attention_mask: Boolean or additive, broadcastable to (B, heads, N, M).
        options: As for Transformers' function.

    Returns:
        (B, N, heads, D) in the queries' type, and ``None``.
    """
    if query.device.type != "cpu" or query.dtype != torch.bfloat16 or torch.compiler.is_compiling():
        found: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return found
    if attention_mask is not None and attention_mask.is_floating_point():
        attention_mask = attention_mask.float()
    with torch.autocast("cpu", enabled=False):
        attended, _ = sdpa_attention_forward(
            module, query.float(), key.float(), value.float(), attention_mask, **options
        )
    return attended.to(query.dtype), None


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, sdpa_mask)


def use_fast_attention(encoder: PreTrainedModel) -> None:
    """Make an encoder that attends by Transformers' ``sdpa`` attend by :func:`attend`; others are left alone.

    What a saved configuration says does not change.

    Args:
        encoder: A loaded encoder.
    """
    if encoder.config._attn_implementation == "sdpa":
        encoder.set_attn_implementation(ATTENTION)
