"""The interface every variant of the alignment loss shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.alignment.bank import BankContrastiveLoss, GuideBank
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss
from clfa.modeling.gather import at_least_float32, gather_rows


@dataclass
class AlignmentInputs:
    """What a batch of B samples offers to align.

    Args:
        students: Pooled student features (B, D) by modality.
        guides: The guide's embeddings of the same samples (B, D) by modality; empty without a guide.
        present: Which samples have the modality (B,); a modality without an entry is there for all.
        bank: Guide embeddings of the whole training set, to contrast with instead of the batch's.
        index: Row of each sample in the bank (B,).
    """

    students: dict[str, torch.Tensor]
    guides: dict[str, torch.Tensor] = field(default_factory=dict)
    present: dict[str, torch.Tensor] = field(default_factory=dict)
    bank: GuideBank | None = None
    index: torch.Tensor | None = None

    def rows(self, *modalities: str) -> torch.Tensor | None:
        """Samples that have all the modalities (B,), or ``None`` for all samples."""
        masks = [self.present[name] for name in modalities if name in self.present]
        return torch.stack(masks).all(dim=0) if masks else None


class Alignment(nn.Module):
    """Base of all variants.

    In training by several processes (DistributedDataParallel, FSDP), the batch is that of all of them together: every
    process returns the loss of the whole batch, with its own part of the gradient (:mod:`clfa.modeling.gather`). All of
    them therefore have to call it. In evaluation mode a process looks at its own samples only and may work alone.

    Args:
        temperature: tau of the contrastive losses.

    Attributes:
        needs_guide: Whether the variant does nothing without a guide.
    """

    needs_guide: ClassVar[bool] = True

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.batch_loss = GuidedContrastiveLoss(temperature)
        self.bank_loss = BankContrastiveLoss(temperature)

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """Scalar losses by modality; a modality that cannot be aligned has no entry."""
        raise NotImplementedError

    def pull(self, inputs: AlignmentInputs, student: str, guide: str) -> torch.Tensor | None:
        """Contrastive loss that pulls one modality's student toward the guide's embedding of a modality.

        Samples that lack either are left out: what a sample does not have cannot be aligned, nor serve as a negative.

        Args:
            inputs: The batch.
            student: Modality of the student.
            guide: Modality of the guide's embeddings.

        Returns:
            Scalar, or ``None`` when the batch does not offer both.
        """
        if student not in inputs.students or guide not in inputs.guides:
            return None
        h, g, index = inputs.students[student], inputs.guides[guide], inputs.index
        rows = inputs.rows(student, guide)
        if rows is not None:
            h, g = h[rows], g[rows]
            index = None if index is None else index[rows]
        if inputs.bank is not None and index is not None:
            loss: torch.Tensor = self.bank_loss(h, inputs.bank, guide, index)
        else:
            loss = self.contrast(h, g)
        return loss

    def contrast(self, student: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Contrastive loss within the batch, which in training is that of all processes.

        Args:
            student: What is pulled (B, D).
            other: What it is pulled to (B, D); no gradient flows into it.

        Returns:
            Scalar; 0 when no process has a sample.
        """
        if self.training:
            student, other = gather_rows(*at_least_float32(student, other.detach()))
        loss: torch.Tensor = self.batch_loss(student, other) if len(student) else student.sum()
        return loss
