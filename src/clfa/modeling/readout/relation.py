"""A readout of how the aligned text and the aligned image agree."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.gather import at_least_float32
from clfa.modeling.pooling import masked_mean
from clfa.modeling.readout.base import AlignedPair, Readout

# Factor of the cosines, so that they and the elements of product and difference have similar sizes.
COSINE_SCALE = 5.0
# Number of cosines: of the pooled students, of text tokens with their nearest image token, and the reverse.
COSINES = 3


class RelationReadout(Readout):
    """Add a linear layer over the relation of the aligned students to the logits of the pooled vector.

    The guided loss brings text and image to one space, but the layers of a fusion cannot easily compute a similarity
    from it. Here, with t and i the L2-normalised students of width D, the layer reads

    - the product ``t * i * sqrt(D)`` and the difference ``|t - i| * sqrt(D)`` (Conneau et al. 2017, InferSent);
    - the cosine of t and i;
    - two cosines of tokens: the mean over text tokens of the largest cosine with an image token, and the mean over
      image tokens of the largest cosine with a text token (Yao et al. 2021, FILIP, section 3.2).

    Cosines are multiplied by 5. The layer has no bias: a sample without text or without image has the logits of its
    pooled vector alone. The dropout is the classifier's.

    Requirements: both modalities, projections (no baseline). Parameters: ``(2 D + 3) * C``.

    Args:
        config: Configuration of the model.
        width: Width D of the aligned space.
    """

    reads_relation: ClassVar[bool] = True

    def __init__(self, config: CLFAConfig, width: int) -> None:
        super().__init__(config, width)
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.relation = nn.Linear(2 * width + COSINES, len(config.label_names), bias=False)

    def forward(self, logits: torch.Tensor, pair: AlignedPair | None) -> tuple[torch.Tensor, torch.Tensor]:
        """See :meth:`Readout.forward`; the agreement is the cosine of the students.

        Raises:
            ValueError: When there is no pair.
        """
        if pair is None:
            raise ValueError("the relation readout needs the aligned text and image.")
        text, image = (F.normalize(student, dim=-1) for student in at_least_float32(pair.text, pair.image))
        cosine = (text * image).sum(dim=-1)
        scale = text.shape[-1] ** 0.5
        cosines = torch.stack([cosine, *_token_cosines(pair)], dim=-1)
        features = torch.cat([text * image * scale, (text - image).abs() * scale, COSINE_SCALE * cosines], dim=-1)
        agreement = cosine.detach()
        if pair.complete is not None:
            features = torch.where(pair.complete[:, None], features, 0.0)
            agreement = torch.where(pair.complete, agreement, float("nan"))
        return logits + self.relation(self.dropout(features).to(self.relation.weight.dtype)), agreement


def _token_cosines(pair: AlignedPair) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean largest cosine of text tokens with image tokens (B,), and of image tokens with text tokens."""
    text, image = (F.normalize(tokens, dim=-1) for tokens in at_least_float32(pair.text_tokens, pair.image_tokens))
    cosines = text @ image.transpose(1, 2)
    return (
        _mean_of_largest(cosines, pair.text_mask, pair.image_mask),
        _mean_of_largest(cosines.transpose(1, 2), pair.image_mask, pair.text_mask),
    )


def _mean_of_largest(cosines: torch.Tensor, rows: torch.Tensor | None, columns: torch.Tensor | None) -> torch.Tensor:
    if columns is not None:
        cosines = cosines.masked_fill(~columns.bool()[:, None], -1.0)
    return masked_mean(cosines.amax(dim=2, keepdim=True), rows)[:, 0]
