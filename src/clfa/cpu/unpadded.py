"""Text encoders on the tokens that exist, one row of them instead of a padded matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

# Share of positions that are padding, below which laying them out anew costs more than it saves.
_WORTHWHILE = 1 / 16


class _Spread(torch.autograd.Function):
    """Rows (N, W) to their places among ``size`` rows of zeros."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, size: int) -> torch.Tensor:
        ctx.save_for_backward(places)
        return rows.new_zeros(size, rows.shape[1]).index_copy_(0, places, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (places,) = ctx.saved_tensors
        return gradient.index_select(0, places), None, None


class _Collect(torch.autograd.Function):
    """Rows at some places; each place is read once, so that the gradient is a copy and no sum as PyTorch's own."""

    @staticmethod
    def forward(ctx: Any, padded: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(places)
        ctx.size = len(padded)
        return padded.index_select(0, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        (places,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.size, gradient.shape[1]).index_copy_(0, places, gradient), None


@dataclass(frozen=True)
class TokenLayout:
    """Where the N tokens that exist stand in a padded batch.

    Args:
        mask: True where a token exists (B, T).
        places: Their positions in the flattened batch (N,), ascending.
    """

    mask: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(cls, attention_mask: torch.Tensor) -> TokenLayout:
        """Of a mask with 1 where a token exists (B, T)."""
        mask = attention_mask.bool()
        return cls(mask, mask.flatten().nonzero().squeeze(1))

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """(N, W) -> (B, T, W), zeros where no token is."""
        spread: torch.Tensor = _Spread.apply(rows, self.places, self.mask.numel())
        return spread.unflatten(0, self.mask.shape)

    def collect(self, padded: torch.Tensor) -> torch.Tensor:
        """(B, T, W) -> (N, W)."""
        rows: torch.Tensor = _Collect.apply(padded.flatten(0, 1), self.places)
        return rows


def _columns(encoder: Any, input_ids: torch.Tensor) -> torch.Tensor:
    return torch.arange(input_ids.shape[1], device=input_ids.device).expand_as(input_ids)


def _after_padding_index(encoder: Any, input_ids: torch.Tensor) -> torch.Tensor:
    padding = encoder.config.pad_token_id
    real = input_ids.ne(padding).long()
    return real.cumsum(1) * real + padding


# How each kind of encoder numbers its tokens. Only these are known to hand further arguments down to their attention,
# and to treat tokens one by one everywhere else.
_POSITIONS: dict[str, Callable[[Any, torch.Tensor], torch.Tensor]] = {
    "bert": _columns,
    "electra": _columns,
    "roberta": _after_padding_index,
    "xlm-roberta": _after_padding_index,
    "camembert": _after_padding_index,
}


def leaving_padding_out_pays(encoder: nn.Module, attention: str, attention_mask: torch.Tensor | None) -> bool:
    """Whether :func:`encode_unpadded` can run an encoder on a batch, and there is enough padding in it.

    Args:
        encoder: A text encoder.
        attention: Name of the attention that takes a :class:`TokenLayout`.
        attention_mask: 1 where a token exists (B, T).
    """
    config: Any = getattr(encoder, "config", None)
    return (
        attention_mask is not None
        and attention_mask.device.type == "cpu"
        and attention_mask.dim() == 2
        and getattr(config, "model_type", None) in _POSITIONS
        and not getattr(config, "is_decoder", False)
        and getattr(config, "_attn_implementation", None) == attention
        and not torch.compiler.is_compiling()
        and 0 < int(attention_mask.count_nonzero()) < (1 - _WORTHWHILE) * attention_mask.numel()
    )


def encode_unpadded(
    encoder: Any,
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    token_type_ids: torch.Tensor | None = None,
) -> torch.Tensor:
    """Last hidden states of a text encoder, computed for the tokens that exist alone.

    Embeddings, linear layers and norms see one row of N tokens, and only attention sees texts again
    (:func:`clfa.cpu.encoder_attention.attend`): what flash attention does for batches of unequal length on GPUs.

    Args:
        encoder: One for which :func:`leaving_padding_out_pays`.
        input_ids: (B, T).
        attention_mask: 1 where a token exists (B, T).
        token_type_ids: (B, T).

    Returns:
        (B, T, D), zeros where no token is.
    """
    layout = TokenLayout.of(attention_mask)
    given = {
        "input_ids": input_ids,
        "position_ids": _POSITIONS[encoder.config.model_type](encoder, input_ids),
        **({} if token_type_ids is None else {"token_type_ids": token_type_ids}),
    }
    row = {name: values.reshape(-1)[layout.places].unsqueeze(0) for name, values in given.items()}
    hidden: torch.Tensor = encoder(**row, token_layout=layout).last_hidden_state
    return layout.spread(hidden[0])
