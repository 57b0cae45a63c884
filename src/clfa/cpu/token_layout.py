"""Conversion between a padded batch and one row of its tokens without padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable


class _Spread(torch.autograd.Function):
    """Copy rows (N, W) to their positions among ``size`` rows of zeros."""

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
    """Select rows by position. Positions are distinct, so that the gradient is a copy, not a sum as in PyTorch."""

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
    """Positions of the N tokens of a padded batch.

    Args:
        mask: True where a token exists (B, T).
        places: Positions of the tokens in the flattened batch (N,), ascending.
    """

    mask: torch.Tensor
    places: torch.Tensor

    @classmethod
    def of(cls, attention_mask: torch.Tensor) -> TokenLayout:
        """Return the layout of a batch from its mask, 1 where a token exists (B, T)."""
        mask = attention_mask.bool()
        return cls(mask, mask.flatten().nonzero().squeeze(1))

    def spread(self, rows: torch.Tensor) -> torch.Tensor:
        """Pad rows of tokens: (N, W) -> (B, T, W), zeros at padding."""
        return _Spread.apply(rows, self.places, self.mask.numel()).unflatten(0, self.mask.shape)

    def collect(self, padded: torch.Tensor) -> torch.Tensor:
        """Remove the padding: (B, T, W) -> (N, W)."""
        return _Collect.apply(padded.flatten(0, 1), self.places)
