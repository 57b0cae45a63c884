"""The interface every fusion shares."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig


class Stream(NamedTuple):
    """Tokens of one modality.

    Args:
        hidden: Token features (B, N, D).
        mask: 1 where a token exists (B, N), or ``None`` when all do.
        bias: Additive attention scores from the query tokens to these tokens (B, Nq, N), or ``None``.
    """

    hidden: torch.Tensor
    mask: torch.Tensor | None = None
    bias: torch.Tensor | None = None


class Fusion(nn.Module):
    """Base of all fusions: projected streams in, one fused stream out.

    A missing text or image never reaches a fusion as such: the model puts a learnt token in its place. Knowledge may be
    missing, for the whole batch (no entry) or for a sample (an all-zero mask).

    Attributes:
        late: Whether the fused tokens are one vector per modality, in the order of ``config.modalities`` with knowledge
            last, each of which gets a classifier of its own; the logits of those that exist are averaged. Otherwise
            the tokens are pooled and classified once.
    """

    late: ClassVar[bool] = False

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """Fuse.

        Args:
            streams: By name, of ``text``, ``image`` and ``knowledge``; a modality absent from the batch has no entry.

        Returns:
            Fused tokens (B, N, D) with their mask; a fusion that makes one vector per sample returns one token.
        """
        raise NotImplementedError


def stream_names(config: CLFAConfig) -> tuple[str, ...]:
    """Names of the streams a model of this configuration may be given, in their fixed order."""
    return (*config.modalities, "knowledge") if config.use_knowledge else config.modalities
