"""Attention of loaded encoders, by the package's own where PyTorch's is slow."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from clfa.cpu.batched_attention import batched_attention, batching_pays
from clfa.cpu.token_layout import TokenLayout

ATTENTION = "clfa_sdpa"
# Arguments of some models that change what attention is.
_UNKNOWN = ("position_bias", "cache", "softcap")


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None = None,
    dropout: float = 0.0,
    scaling: float | None = None,
    is_causal: bool | None = None,
    token_layout: TokenLayout | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' ``sdpa`` attention, by :func:`clfa.cpu.batched_attention.batched_attention` where that pays.

    Args:
        module: The attention layer.
        query: (B, heads, N, D), like ``key`` and ``value`` (B, heads, M, D).
        key: See ``query``.
        value: See ``query``.
        attention_mask: Boolean or additive, broadcastable to (B, heads, N, M).
        dropout: Probability that a weight is dropped.
        scaling: Of the scores.
        is_causal: Whether queries read earlier keys only; the layer's own ``is_causal`` when not given.
        token_layout: Where the tokens of one row (1, heads, N, D) belong, when the batch comes without padding; there
            is no mask then.
        options: As for Transformers' function.

    Returns:
        (B, N, heads, D) in the queries' type, and ``None``.
    """
    if token_layout is not None:
        heads = query.shape[1]
        query, key, value = (
            token_layout.spread(states[0].transpose(0, 1).flatten(1)).unflatten(2, (heads, -1)).transpose(1, 2)
            for states in (query, key, value)
        )
        mask = token_layout.mask[:, None, None, :]
        padded, _ = attend(module, query, key, value, mask, dropout, scaling, is_causal, **options)
        return token_layout.collect(padded.flatten(2)).unflatten(1, (heads, -1)).unsqueeze(0), None
    if all(options.get(name) is None for name in _UNKNOWN) and batching_pays(
        query, key, value, attention_mask, dropout
    ):
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        if causal and attention_mask is None and query.shape[2] > 1:
            attention_mask = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril()
        attended = batched_attention(query, key, value, attention_mask, dropout, scaling)
        return attended.transpose(1, 2).contiguous(), None
    found: tuple[torch.Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout, scaling, is_causal, **options
    )
    return found


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, sdpa_mask)


def exchange(module: nn.Module) -> None:
    """Make an encoder of Transformers that attends by its ``sdpa`` attend by :func:`attend`.

    What a saved configuration says does not change.

    Args:
        module: Any; models made of other models are left alone, as each of those is an encoder of its own.
    """
    if (
        isinstance(module, PreTrainedModel)
        and not module.config.sub_configs
        and module.config._attn_implementation == "sdpa"
    ):
        module.set_attn_implementation(ATTENTION)
