"""Alignment of each student with the guide, and of the two students with each other."""

from __future__ import annotations

from typing import ClassVar

import torch

from clfa.modeling.alignment.base import AlignmentInputs
from clfa.modeling.alignment.guided import GuidedAlignment
from clfa.modeling.alignment.student_contrast import StudentContrastiveLoss, student_pairs


class BothAlignment(GuidedAlignment):
    """The paper's guided loss, and a symmetric InfoNCE between the two students as a third entry, ``students``.

    ``alpha * (L_text + L_image) + students_weight * L_students`` in the total loss. Not in the paper. The guided loss
    aligns each student with the guide's embedding of its own modality, whatever the label says; the students' term
    aligns text and image with each other. Where a label says that some of them do not belong together,
    ``student_rows`` (``training.alignment_where`` in a recipe) selects those that do. ``contents`` excludes samples
    with the same text or image from the negatives.

    Requires: a guide, for the entries ``text`` and ``image``; both modalities, for ``students``.

    Relations: without ``students`` it is :class:`~clfa.modeling.alignment.guided.GuidedAlignment`. The students' term
    is the loss of :class:`~clfa.modeling.alignment.students.StudentsAlignment` with its full gradient. Bank negatives
    concern the guided loss only.

    Args:
        temperature: tau of all three.

    Example:
        >>> aligner = BothAlignment(temperature=0.1)
        >>> students = {"text": torch.eye(3), "image": torch.eye(3).roll(1, dims=0)}
        >>> part = torch.tensor([True, True, False])
        >>> losses = aligner(AlignmentInputs(students, guides=students, student_rows=part))
        >>> {name: round(loss.item(), 4) for name, loss in losses.items()}
        {'text': 0.0001, 'image': 0.0001, 'students': 5.3466}
    """

    compares_students: ClassVar[bool] = True

    def __init__(self, temperature: float) -> None:
        super().__init__(temperature)
        self.student_loss = StudentContrastiveLoss(temperature)

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """See :meth:`Alignment.forward`."""
        losses = super().forward(inputs)
        pairs = student_pairs(inputs)
        if pairs is not None:
            losses["students"] = self.student_loss(*pairs)
        return losses
