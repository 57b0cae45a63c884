"""The guided contrastive loss: align a student with the frozen guide's embedding of the same sample."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class GuidedContrastiveLoss(nn.Module):
    """Symmetric InfoNCE between student features and guide embeddings (CLFA, section 3.3).

    With both sides L2-normalised, ``S = h g^T / tau`` and targets on the diagonal, the loss is
    ``(CE(S) + CE(S^T)) / 2``: every other sample of the batch is a negative.

    Args:
        temperature: tau, 0.1 in the paper.

    Example:
        >>> loss = GuidedContrastiveLoss(temperature=0.1)
        >>> h = torch.eye(2)
        >>> round(loss(h, h).item(), 6)  # log(1 + exp(-10))
        4.5e-05
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, student: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """Compute the loss of one modality.

        Args:
            student: Pooled student features h (B, D).
            guide: Guide embeddings g of the same samples (B, D); no gradient flows into them.

        Returns:
            Scalar.

        Raises:
            ValueError: When the shapes differ.
        """
        if student.shape != guide.shape:
            raise ValueError(
                f"student features {tuple(student.shape)} and guide embeddings {tuple(guide.shape)} differ in shape; "
                "set guide_dim in the model's configuration to the guide's width."
            )
        # Full precision, because at tau = 0.1 half-precision logits change the loss noticeably.
        with torch.autocast(student.device.type, enabled=False):
            dtype = student.dtype if student.dtype == torch.float64 else torch.float32
            h = F.normalize(student.to(dtype), dim=-1)
            g = F.normalize(guide.detach().to(dtype), dim=-1)
            logits = h @ g.T / self.temperature
            targets = torch.arange(len(logits), device=logits.device)
            return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
