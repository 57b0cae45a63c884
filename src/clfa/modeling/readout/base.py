"""The interface of readouts."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig


class AlignedPair(NamedTuple):
    """The aligned text and image of B samples, in the space of the guide (width D).

    Args:
        text: Pooled text student (B, D).
        image: Pooled image student (B, D).
        text_tokens: Projected text tokens (B, T, D).
        image_tokens: Projected image tokens (B, P, D).
        text_mask: 1 where a text token exists (B, T), or ``None`` when all do.
        image_mask: 1 where an image token exists (B, P), or ``None`` when all do.
        complete: Whether each sample has both modalities (B,), or ``None`` when all do.
    """

    text: torch.Tensor
    image: torch.Tensor
    text_tokens: torch.Tensor
    image_tokens: torch.Tensor
    text_mask: torch.Tensor | None = None
    image_mask: torch.Tensor | None = None
    complete: torch.Tensor | None = None


class Readout(nn.Module):
    """Base class of all readouts: what is added to the logits of the pooled vector.

    Args:
        config: Configuration of the model.
        width: Width D of the aligned space: ``guide_dim``, or ``hidden_size`` without one.

    Attributes:
        reads_relation: Whether it reads the aligned text and image. Such a model needs both modalities and projections;
            it reports an agreement.
    """

    reads_relation: ClassVar[bool] = False

    def __init__(self, config: CLFAConfig, width: int) -> None:
        super().__init__()

    def forward(self, logits: torch.Tensor, pair: AlignedPair | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the final logits and the agreement.

        Args:
            logits: Logits of the pooled vector, or of a late fusion (B, C).
            pair: The aligned text and image, for a readout that reads them.

        Returns:
            Logits (B, C) and the agreement of text and image (B,) from -1 to 1, NaN for incomplete samples; ``None``
            for a readout that reads no relation.
        """
        raise NotImplementedError
