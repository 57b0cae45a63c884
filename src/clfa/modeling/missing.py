"""Samples that lack their text or their picture: a learnt token in its place."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from clfa.modeling.fusion.base import Stream


class MissingTokens(nn.Module):
    """One learnt feature vector per modality, which stands for "there is none".

    It takes the place of the first token, and the rest is masked, so that every fusion and baseline works with
    incomplete samples unchanged (after the learnt missing-modality tokens of Ma et al., "Are Multimodal Transformers
    Robust to Missing Modality?", CVPR 2022, and others).

    Args:
        widths: Feature width by modality (``text``, ``image``).
        dropout: Probability that a complete training sample loses one of its modalities, each equally often.
    """

    def __init__(self, widths: Mapping[str, int], dropout: float = 0.0) -> None:
        super().__init__()
        self.tokens = nn.ParameterDict({name: nn.Parameter(torch.zeros(width)) for name, width in widths.items()})
        self.dropout = dropout

    def drop(self, present: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Modality dropout, in training mode only.

        Args:
            present: By modality, whether each sample has it (B,).

        Returns:
            The same with some complete samples made incomplete; none loses its last modality.
        """
        if not self.training or not self.dropout or len(present) < 2:
            return present
        names = list(present)
        complete = torch.stack(list(present.values())).all(dim=0)
        draw = torch.rand(len(complete), device=complete.device) < self.dropout
        victim = torch.randint(len(names), (len(complete),), device=complete.device)
        return {name: present[name] & ~(complete & draw & (victim == position)) for position, name in enumerate(names)}

    def fill(self, name: str, stream: Stream, present: torch.Tensor) -> Stream:
        """Put the token where the modality is absent.

        Args:
            name: Of the modality.
            stream: Its features (B, N, width).
            present: Whether each sample has it (B,).
        """
        hidden, mask = stream.hidden, stream.mask
        if mask is None:
            mask = torch.ones(hidden.shape[:2], dtype=torch.long, device=hidden.device)
        first = torch.zeros_like(mask)
        first[:, 0] = 1
        token = self.tokens[name].to(hidden.dtype).expand_as(hidden)
        absent = ~present[:, None]
        # Everything of an absent modality is replaced, so that no padding can leak in through an unmasked sum.
        return stream._replace(
            hidden=torch.where(absent[..., None], token, hidden),
            mask=torch.where(absent, first, mask.to(first.dtype)),
        )

    def stand_in(self, name: str, size: int) -> Stream:
        """A stream of the token alone, for a batch in which no sample has the modality."""
        return Stream(self.tokens[name].expand(size, 1, -1))
