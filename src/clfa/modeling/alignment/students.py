"""Alignment of the two students with each other, without a guide."""

from __future__ import annotations

from typing import ClassVar

import torch

from clfa.modeling.alignment.base import Alignment, AlignmentInputs
from clfa.modeling.alignment.student_contrast import StudentContrastiveLoss, student_pairs


class StudentsAlignment(Alignment):
    """Symmetric InfoNCE between the text and image students of a batch, as in CLIP itself (Radford et al. 2021).

    The loss is split evenly between the two entries, so that their sum is CLIP's. Each entry trains the student of its
    own modality, with half of CLIP's gradient.

    Requires: both modalities; no guide.

    Args:
        temperature: tau.

    Example:
        >>> aligner = StudentsAlignment(temperature=0.1)
        >>> students = {"text": torch.eye(2), "image": torch.eye(2).flip(0)}
        >>> {name: round(loss.item(), 4) for name, loss in aligner(AlignmentInputs(students)).items()}
        {'text': 5.0, 'image': 5.0}
    """

    needs_guide: ClassVar[bool] = False
    compares_students: ClassVar[bool] = True

    def __init__(self, temperature: float) -> None:
        super().__init__(temperature)
        self.student_loss = StudentContrastiveLoss(temperature)

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """See :meth:`Alignment.forward`."""
        pairs = student_pairs(inputs)
        if pairs is None:
            return {}
        text, image, contents = pairs
        return {
            "text": self.student_loss(text, image.detach(), contents) / 2,
            "image": self.student_loss(image, text.detach(), contents) / 2,
        }
