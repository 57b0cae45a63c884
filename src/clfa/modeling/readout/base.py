"""The interface of readouts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream


class Student(NamedTuple):
    """One modality in the space where it is compared with the guide.

    Args:
        embeds: Pooled student (B, D).
        tokens: Its tokens in the same space (B, N, D) with their mask; ``None`` for readouts that do not read tokens.
        present: Whether each sample has the modality (B,); ``None`` when all do.
    """

    embeds: torch.Tensor
    tokens: Stream | None = None
    present: torch.Tensor | None = None


class Readout(nn.Module):
    """Base class of all readouts: the classifier's logits and the aligned students -> logits.

    Options of a readout are the keyword arguments of its ``__init__`` after ``config``; a recipe sets them under
    ``model.readout_options``.

    Args:
        config: Configuration of the model.

    Attributes:
        compares: Whether it compares the students of text and image. The model then needs both and no baseline, and
            its output has their agreement.
        reads_tokens: Whether it needs the students' tokens.
    """

    compares: ClassVar[bool] = False
    reads_tokens: bool = False

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()

    @abstractmethod
    def forward(self, logits: torch.Tensor, students: Mapping[str, Student]) -> torch.Tensor:
        """Compute the logits of the model.

        Args:
            logits: Logits of the classifier (B, L).
            students: Aligned students by modality (``text``, ``image``); none in a baseline.

        Returns:
            Logits (B, L).
        """
        raise NotImplementedError
