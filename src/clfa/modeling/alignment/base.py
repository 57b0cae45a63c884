"""The interface of alignment losses."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.alignment.bank import BankContrastiveLoss, GuideBank
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss
from clfa.modeling.gather import at_least_float32, gather_rows


@dataclass
class AlignmentInputs:
    """Inputs of the alignment loss for a batch of B samples.

    Args:
        students: Pooled student features (B, D) by modality.
        guides: The guide's embeddings of the same samples (B, D) by modality; empty without a guide.
        present: Which samples have the modality (B,), by modality; without an entry all samples have it.
        bank: Guide embeddings of the whole training set, used as negatives instead of those of the batch.
        index: Row of each sample in the bank (B,).
        student_rows: Which samples take part where the two students are compared (B,); ``None`` for all.
        contents: Numbers of the samples' text and image (B, 2). Samples with the same text or the same image, which
            have the same number, are not negatives of one another where the two students are compared. -1 where a
            sample lacks the modality; ``None`` if all contents differ.
    """

    students: dict[str, torch.Tensor]
    guides: dict[str, torch.Tensor] = field(default_factory=dict)
    present: dict[str, torch.Tensor] = field(default_factory=dict)
    bank: GuideBank | None = None
    index: torch.Tensor | None = None
    student_rows: torch.Tensor | None = None
    contents: torch.Tensor | None = None

    def rows(self, *modalities: str) -> torch.Tensor | None:
        """Return which samples have all the modalities (B,); ``None`` if all samples do."""
        masks = [self.present[name] for name in modalities if name in self.present]
        return torch.stack(masks).all(dim=0) if masks else None


class Alignment(nn.Module):
    """Base class of all alignment losses.

    In distributed training (DistributedDataParallel, FSDP), the batch is that of all processes together: every process
    returns the loss of the whole batch, with its own part of the gradient (:mod:`clfa.modeling.gather`). Therefore all
    processes must call it. In evaluation mode a process uses its own samples only.

    Args:
        temperature: tau of the contrastive losses.

    Attributes:
        needs_guide: Whether the loss requires a guide; without one it is not computed.
        compares_students: Whether text and image students are compared with each other.
    """

    needs_guide: ClassVar[bool] = True
    compares_students: ClassVar[bool] = False

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.batch_loss = GuidedContrastiveLoss(temperature)
        self.bank_loss = BankContrastiveLoss(temperature)

    @abstractmethod
    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """Return scalar losses by modality; a modality that cannot be aligned has no entry.

        The entry ``students`` is a loss between the two students with its own weight, ``students_weight``.
        """
        raise NotImplementedError

    def pull(self, inputs: AlignmentInputs, student: str, guide: str) -> torch.Tensor | None:
        """Compute the contrastive loss between one modality's student and the guide's embeddings of a modality.

        Samples that lack one of the two modalities are left out; they are not used as negatives either.

        Args:
            inputs: The batch.
            student: Modality of the student.
            guide: Modality of the guide's embeddings.

        Returns:
            Scalar, or ``None`` if the batch does not have both.
        """
        if student not in inputs.students or guide not in inputs.guides:
            return None
        h, g, index = inputs.students[student], inputs.guides[guide], inputs.index
        rows = inputs.rows(student, guide)
        if rows is not None:
            h, g = h[rows], g[rows]
            index = None if index is None else index[rows]
        if inputs.bank is not None and index is not None:
            return self.bank_loss(h, inputs.bank, guide, index)
        return self.contrast(h, g)

    def contrast(self, student: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Compute the contrastive loss within the batch; in training, the batch of all processes.

        Args:
            student: Features that are aligned (B, D).
            other: Features that they are aligned to (B, D); no gradient flows into them.

        Returns:
            Scalar; 0 when no process has a sample.
        """
        if self.training:
            student, other = gather_rows(*at_least_float32(student, other.detach()))
        return self.batch_loss(student, other) if len(student) else student.sum()
