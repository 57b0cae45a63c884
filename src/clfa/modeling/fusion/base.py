"""The interface every fusion shares."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig


class Stream(NamedTuple):
    """Projected tokens of one modality.

    Args:
        hidden: Token features (B, N, D).
        mask: 1 where a token exists (B, N), or ``None`` when all do.
        bias: Additive attention scores from the query tokens to these tokens (B, Nq, N), or ``None``.
    """

    hidden: torch.Tensor
    mask: torch.Tensor | None = None
    bias: torch.Tensor | None = None


class Fusion(nn.Module):
    """Base of all fusions: streams in, one fused stream out."""

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """Fuse.

        Args:
            streams: By name, of ``text``, ``image`` and ``knowledge``; a modality absent from the batch has no entry.

        Returns:
            Fused tokens (B, N, D) with their mask.
        """
        raise NotImplementedError
