"""Additive attention over one modality's tokens, guided by vectors of other modalities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def masked_softmax(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Return the softmax over unmasked tokens.

    Args:
        scores: (B, N).
        mask: 1 where a token exists (B, N), or ``None`` when all do.

    Returns:
        Weights (B, N); zeros for a sample without any token.
    """
    if mask is None:
        return scores.softmax(dim=-1)
    keep = mask.bool()
    weights = scores.masked_fill(~keep, torch.finfo(scores.dtype).min).softmax(dim=-1)
    return weights * keep


class GuidedAttention(nn.Module):
    """``a = softmax_i(w^T tanh(W m_i + sum_g U_g g + b))``, the additive attention of Bahdanau et al. (2015).

    Args:
        width: Width of the tokens that are attended to.
        guides: Width of each guiding vector.
        attention_size: Inner width.
    """

    def __init__(self, width: int, guides: Sequence[int], attention_size: int) -> None:
        super().__init__()
        self.token = nn.Linear(width, attention_size)
        self.guides = nn.ModuleList(nn.Linear(guide, attention_size, bias=False) for guide in guides)
        self.score = nn.Linear(attention_size, 1, bias=False)

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor | None, *guides: torch.Tensor) -> torch.Tensor:
        """Compute attention weights.

        Args:
            tokens: m (B, N, ``width``).
            mask: 1 where a token exists (B, N), or ``None`` when all do.
            guides: One vector per sample each (B, width of the guide).

        Returns:
            Weights (B, N); zeros for a sample without any token.
        """
        inner = self.token(tokens)
        for weigh, guide in zip(self.guides, guides, strict=True):
            inner = inner + weigh(guide).unsqueeze(1)
        return masked_softmax(self.score(torch.tanh(inner)).squeeze(-1), mask)
