"""Contrastive loss with the guide embeddings of the whole training set as negatives, independent of the batch size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from clfa.modeling.gather import gather_rows, total


@dataclass
class GuideBank:
    """Guide embeddings of N training samples. They are computed before training and never become outdated.

    Args:
        embeds: Embeddings by modality (N, D); they are normalised here.
        groups: Number of the content by modality (N,). Samples with the same text or image have the same number, so
            that a repost is never a negative of its original. -1 where a sample lacks the modality.
    """

    embeds: dict[str, torch.Tensor]
    groups: dict[str, torch.Tensor]

    def __post_init__(self) -> None:
        self.embeds = {name: F.normalize(tensor.float(), dim=-1) for name, tensor in self.embeds.items()}

    def to(self, device: torch.device) -> GuideBank:
        """Return the bank on a device; it is not copied if it is there already."""
        if all(tensor.device == device for tensor in (*self.embeds.values(), *self.groups.values())):
            return self
        return GuideBank(
            {name: tensor.to(device) for name, tensor in self.embeds.items()},
            {name: tensor.to(device) for name, tensor in self.groups.items()},
        )


class BankContrastiveLoss(nn.Module):
    """InfoNCE of B students against the guide embeddings of all N training samples.

    ``S = h G^T / tau`` (B, N) has the sample's own row as target; other entries with the same content and entries
    without the modality are excluded. As in the paper's symmetric loss, the guide embeddings of the batch are also
    compared with the B students: ``(CE(S) + CE(S_batch^T)) / 2``. With N = B and distinct contents this is the paper's
    loss.

    In distributed training, B counts the samples of all processes. Each process compares its own students with the
    bank; students are gathered only for the second term.

    Args:
        temperature: tau.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: torch.Tensor, bank: GuideBank, modality: str, index: torch.Tensor) -> torch.Tensor:
        """Compute the loss of one student.

        Args:
            student: Pooled student features of this process (B, D).
            bank: Guide embeddings.
            modality: Modality of the guide embeddings that the student is aligned to.
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
