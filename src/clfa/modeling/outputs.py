"""Typed outputs of the models."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers.utils.generic import ModelOutput

from clfa.modeling.fusion.base import Stream


@dataclass
class CLFAModelOutput(ModelOutput):
    """Output of :class:`clfa.modeling.CLFAModel`; B samples, N query tokens, D = ``hidden_size``.

    Args:
        last_hidden_state: Fused token features (B, N, D).
        fused_mask: 1 where a fused token exists (B, N), or ``None`` when all do.
        pooler_output: One fused vector per sample (B, D).
        text_embeds: Masked mean of the projected text tokens (B, D), or ``None`` without text.
        image_embeds: Masked mean of the projected image tokens (B, D), or ``None`` without image.
        text_present: Whether each sample has a text (B,); ``None`` in models that do not allow missing modalities.
        image_present: The same for the image.
        loss_auxiliary: A baseline's own loss, in training with labels; scalar.
        streams: Projected tokens by stream (``text``, ``image``, ``knowledge``), each (B, N, D) with its mask; ``None``
            in a baseline.
        encoded: The inputs as a model without encoders reads them: features of text, image and knowledge, their masks
            and word-pair graphs, by argument of the forward pass.
    """

    last_hidden_state: torch.Tensor | None = None
    fused_mask: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None
    text_present: torch.Tensor | None = None
    image_present: torch.Tensor | None = None
    loss_auxiliary: torch.Tensor | None = None
    streams: dict[str, Stream] | None = None
    encoded: dict[str, torch.Tensor | None] | None = None


@dataclass
class CLFAClassifierOutput(ModelOutput):
    """Output of :class:`clfa.modeling.CLFAForClassification`; B samples, C classes, D the width they are aligned at.

    Args:
        loss: ``alpha * (loss_text_alignment + loss_image_alignment) + students_weight * loss_students_alignment +
            beta * loss_classification + loss_auxiliary``; scalar.
        logits: Class scores (B, C).
        loss_classification: Weighted sum of the targets' losses; scalar.
        loss_targets: Unweighted loss of each target by name; ``None`` without labels.
        loss_text_alignment: Guided contrastive loss of the text student; scalar, ``None`` without guide embeddings.
        loss_image_alignment: The same for the image student.
        loss_students_alignment: Contrastive loss between the two students; scalar, with ``alignment="both"`` only.
        loss_auxiliary: A baseline's own loss; scalar, ``None`` outside training and for models without one.
        text_embeds: Text student as compared with the guide (B, D).
        image_embeds: Image student as compared with the guide (B, D).
        pooler_output: Fused vector that the classifier reads (B, ``hidden_size``).
        agreement: Cosine of ``text_embeds`` and ``image_embeds`` (B,), NaN where a modality is missing; ``None`` for
            readouts that do not compare them.
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | None = None
    loss_classification: torch.Tensor | None = None
    loss_targets: dict[str, torch.Tensor] | None = None
    loss_text_alignment: torch.Tensor | None = None
    loss_image_alignment: torch.Tensor | None = None
    loss_students_alignment: torch.Tensor | None = None
    loss_auxiliary: torch.Tensor | None = None
    text_embeds: torch.Tensor | None = None
    image_embeds: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    agreement: torch.Tensor | None = None
