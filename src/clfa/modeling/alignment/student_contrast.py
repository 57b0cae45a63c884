"""The contrastive loss between the two students of the same samples."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from clfa.modeling.alignment.base import AlignmentInputs
from clfa.modeling.gather import at_least_float32, gather_rows


class StudentContrastiveLoss(nn.Module):
    """Symmetric InfoNCE between text and image students, as in CLIP (Radford et al. 2021), without false negatives.

    With both sides L2-normalised, ``S = t i^T / tau`` and targets on the diagonal, the loss is
    ``(CE(S) + CE(S^T)) / 2``. Two samples with the same text or the same image are not negatives of one another: their
    entries of ``S`` are left out. A sample without any negative contributes 0. Gradients flow into both students.

    In training by several processes, the batch is that of all of them; see
    :class:`clfa.modeling.alignment.base.Alignment`.

    Args:
        temperature: tau.

    Example:
        >>> loss = StudentContrastiveLoss(temperature=0.1)
        >>> t = torch.eye(2)
        >>> round(loss(t, t.flip(0)).item(), 4)  # both are nearest to the other's image: log(1 + exp(10))
        10.0
        >>> loss(t, t.flip(0), contents=torch.tensor([[0, 5], [1, 5]])).item()  # the same image
        0.0
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, text: torch.Tensor, image: torch.Tensor, contents: torch.Tensor | None = None) -> torch.Tensor:
        """Compute the loss.

        Args:
            text: Students of one modality (B, D).
            image: Students of the other modality of the same samples (B, D).
            contents: Numbers of the samples' contents (B, any); see :class:`AlignmentInputs`.

        Returns:
            Scalar, the mean over the B samples; 0 when no process has a sample.
        """
        text, image = at_least_float32(text, image)
        if self.training:
            if contents is None:
                text, image = gather_rows(text, image)
            else:
                text, image, contents = gather_rows(text, image, contents)
        if not len(text):
            return (text + image).sum()
        # Full precision, because at tau = 0.1 half-precision logits change the loss noticeably.
        with torch.autocast(text.device.type, enabled=False):
            logits = F.normalize(text, dim=-1) @ F.normalize(image, dim=-1).T / self.temperature
            if contents is not None:
                logits = logits.masked_fill(_same_content(contents), float("-inf"))
            targets = torch.arange(len(logits), device=logits.device)
            return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def _same_content(contents: torch.Tensor) -> torch.Tensor:
    """Return which other samples share a content with each sample (B, B), the diagonal excluded."""
    same = ((contents[:, None] == contents[None]) & (contents >= 0)[None]).any(dim=2)
    return same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)


def student_pairs(inputs: AlignmentInputs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None] | None:
    """Return the students and contents of the samples that take part; ``None`` in a model of one modality.

    These are the samples with a text and an image that ``inputs.student_rows`` does not leave out.

    Returns:
        Text students (n, D), image students (n, D), and contents (n, 2) if there are any.
    """
    if not {"text", "image"} <= inputs.students.keys():
        return None
    text, image, contents = inputs.students["text"], inputs.students["image"], inputs.contents
    masks = [mask for mask in (inputs.rows("text", "image"), inputs.student_rows) if mask is not None]
    if masks:
        rows = torch.stack(masks).all(dim=0)
        text, image = text[rows], image[rows]
        contents = None if contents is None else contents[rows]
    return text, image, contents
