"""The interface every variant of the alignment loss shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.alignment.bank import BankContrastiveLoss, GuideBank
from clfa.modeling.alignment.contrastive import GuidedContrastiveLoss


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
        if not len(h):
            return h.sum()
        if inputs.bank is None or index is None:
            loss: torch.Tensor = self.batch_loss(h, g)
        else:
            loss = self.bank_loss(h, inputs.bank, guide, index)
        return loss
