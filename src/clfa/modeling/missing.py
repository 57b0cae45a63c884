"""Learnt tokens for samples without text or without image, and modality dropout."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from clfa.modeling.fusion.base import Stream


class MissingTokens(nn.Module):
    """One learnt feature vector per modality, which represents a missing modality.

    It replaces the first token, and the other tokens are masked, so that every fusion and baseline works without change
    for incomplete samples. The idea follows the learnt missing-modality tokens of Ma et al., "Are Multimodal
    Transformers Robust to Missing Modality?", CVPR 2022, and others.

    Args:
        widths: Feature width by modality (``text``, ``image``).
        dropout: Probability that a complete training sample loses one of its modalities, each equally often.
    """

    def __init__(self, widths: Mapping[str, int], dropout: float = 0.0) -> None:
        super().__init__()
        self.tokens = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name, width in widths.items()})
        self.dropout = dropout

    def drop(self, present: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Apply modality dropout, in training mode only.

        Args:
            present: Whether each sample has the modality (B,), by modality.

        Returns:
            The same with some complete samples made incomplete; no sample loses its last modality.
        """
        if not self.training or not self.dropout or len(present) < 2:
            return present
        names = list(present)
        complete = torch.stack(list(present.values())).all(dim=0)
        draw = torch.rand(len(complete), device=complete.device) < self.dropout
        victim = torch.randint(len(names), (len(complete),), device=complete.device)
        return {name: present[name] & ~(complete & draw & (victim == position)) for position, name in enumerate(names)}

    def fill(self, name: str, stream: Stream, present: torch.Tensor) -> Stream:
        """Replace a missing modality by its token.

        Args:
            name: Name of the modality.
            stream: Features of the modality (B, N, width).
            present: Whether each sample has the modality (B,).
        """
        hidden, mask = stream.hidden, stream.mask
        if mask is None:
            mask = torch.ones(hidden.shape[:2], dtype=torch.long, device=hidden.device)
        first = torch.zeros_like(mask)
        first[:, 0] = 1
        token = self.tokens[name].to(hidden.dtype).expand_as(hidden)
        absent = ~present[:, None]
        # All tokens are replaced, not only the first, so that padding has no effect even in an unmasked sum.
        return stream._replace(
            hidden=torch.where(absent[..., None], token, hidden),
            mask=torch.where(absent, first, mask.to(first.dtype)),
        )

    def stand_in(self, name: str, size: int) -> Stream:
        """Return a stream of only the token, for a batch in which no sample has the modality."""
        return Stream(self.tokens[name].expand(size, 1, -1))
