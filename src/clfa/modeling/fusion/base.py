"""The interface of fusions."""

from __future__ import annotations

from abc import abstractmethod
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
    """Base class of all fusions: projected streams -> one fused stream.

    A fusion never gets a missing text or image, because the model replaces it by a learnt token. Knowledge may be
    missing for the whole batch (no entry) or for a sample (an all-zero mask).

    Attributes:
        late: If true, the fused tokens are one vector per modality, in the order of ``config.modalities`` with
            knowledge last. Each has its own classifier, and the logits of the existing ones are averaged. If false, the
            tokens are pooled and classified once.
    """

    late: ClassVar[bool] = False

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, streams: dict[str, Stream]) -> Stream:
        """Fuse the streams.

        Args:
            streams: Streams by name (``text``, ``image``, ``knowledge``); without an entry the batch lacks it.

        Returns:
            Fused tokens (B, N, D) with their mask; a fusion that makes one vector per sample returns one token.
        """
        raise NotImplementedError


def stream_names(config: CLFAConfig) -> tuple[str, ...]:
    """Return the names of a model's possible streams, in their fixed order."""
    return (*config.modalities, "knowledge") if config.use_knowledge else config.modalities
