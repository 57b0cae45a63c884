"""All guide embeddings of the training set as negatives, whatever the batch size and the number of processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from clfa.modeling.gather import gather_rows, total


@dataclass
class GuideBank:
    """Guide embeddings of N training samples; they are known before training, so nothing grows stale.

    Args:
        embeds: By modality, (N, D); normalised here.
        groups: By modality, a number per content (N,): samples with the same text or picture share one, so that a
            repost never counts as its original's negative. -1 where a sample lacks the modality.
    """

    embeds: dict[str, torch.Tensor]
    groups: dict[str, torch.Tensor]

    def __post_init__(self) -> None:
        self.embeds = {name: F.normalize(tensor.float(), dim=-1) for name, tensor in self.embeds.items()}

    def to(self, device: torch.device) -> GuideBank:
        """The same on a device; nothing is copied where it is there already."""
        if all(tensor.device == device for tensor in (*self.embeds.values(), *self.groups.values())):
            return self
        return GuideBank(
            {name: tensor.to(device) for name, tensor in self.embeds.items()},
            {name: tensor.to(device) for name, tensor in self.groups.items()},
        )


class BankContrastiveLoss(nn.Module):
    """InfoNCE of B students against the guide embeddings of all N training samples.

    ``S = h G^T / tau`` (B, N) with the sample's own row as target, entries of the same content and absent ones left
    out; and, as in the paper's symmetric loss, the columns of the batch's own guides against the B students:
    ``(CE(S) + CE(S_batch^T)) / 2``. With N = B and distinct contents this is the paper's loss.

    In training by several processes, B counts the samples of all of them. Each compares its own with the bank; only for
    the second half are the students gathered.

    Args:
        temperature: tau.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: torch.Tensor, bank: GuideBank, modality: str, index: torch.Tensor) -> torch.Tensor:
        """Loss of one student.

        Args:
            student: Pooled student features (B, D), of this process.
            bank: Guide embeddings.
            modality: Which of the guide's modalities the student is pulled to.
            index: Row of each sample in the bank (B,).

        Returns:
            Scalar.

        Raises:
            ValueError: When the widths differ.
        """
        embeds, groups = bank.embeds[modality], bank.groups[modality]
        if student.shape[1] != embeds.shape[1]:
            raise ValueError(
                f"student features are {student.shape[1]} wide and the guide's {embeds.shape[1]}; "
                "set guide_dim in the model's configuration to the guide's width."
            )
        with torch.autocast(student.device.type, enabled=False):
            dtype = student.dtype if student.dtype == torch.float64 else torch.float32
            h = F.normalize(student.to(dtype), dim=-1)
            logits = h @ embeds.to(dtype).T / self.temperature
            excluded = (groups[index][:, None] == groups[None]) | (groups == -1)[None]
            excluded[torch.arange(len(index), device=index.device), index] = False
            to_guides = F.cross_entropy(logits.masked_fill(excluded, float("-inf")), index, reduction="sum")
            if self.training:
                h, index = gather_rows(h, index)
                to_guides = total(to_guides)
            if not len(index):
                return h.sum()
            batch = embeds[index].to(dtype) @ h.T / self.temperature
            to_students = F.cross_entropy(batch, torch.arange(len(index), device=index.device))
            return (to_guides / len(index) + to_students) / 2
