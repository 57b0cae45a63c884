"""Attention of loaded Transformers encoders: this package's implementation where PyTorch's is slow."""

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
# Arguments of some models that change the attention formula; with these PyTorch's attention is used.
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
    """Compute Transformers' ``sdpa`` attention, with ``batched_attention`` where it is faster.

    See :func:`clfa.cpu.batched_attention.batching_pays`.

    Args:
        module: The attention layer.
        query: (B, heads, N, D).
        key: (B, heads, M, D).
        value: (B, heads, M, D).
        attention_mask: Boolean or additive, broadcastable to (B, heads, N, M).
        dropout: Probability that a weight is dropped.
        scaling: Factor of the scores.
        is_causal: Whether queries read earlier keys only; the layer's own ``is_causal`` when not given.
        token_layout: Positions of the tokens in the padded batch, when the batch comes without padding as one row
            (1, heads, N, D); ``attention_mask`` is not given then.
        options: Further arguments of Transformers' function.

    Returns:
        (B, N, heads, D) in the dtype of ``query``, and ``None``.
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
    return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, is_causal, **options)


ALL_ATTENTION_FUNCTIONS.register(ATTENTION, attend)
ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, sdpa_mask)


def exchange(module: nn.Module) -> None:
    """Replace the ``sdpa`` attention of a Transformers encoder by :func:`attend`.

    The saved configuration does not change.

    Args:
        module: Any module. Models that consist of other models are not changed, because each of their parts is an
            encoder that is handled by itself.
    """
    if (
        isinstance(module, PreTrainedModel)
        and not module.config.sub_configs
        and module.config._attn_implementation == "sdpa"
    ):
        module.set_attn_implementation(ATTENTION)
