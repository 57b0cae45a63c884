"""A readout that also sees how the aligned text and image agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import nn

from clfa.errors import ModelError
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.readout.agreement import complete, token_agreement, unit
from clfa.modeling.readout.base import Readout, Student

PARTS = ("product", "difference", "cosine", "tokens")
# Cosines differ by some tenths between samples; the scale lets their few weights act as fast as the others.
COSINE_SCALE = 5.0


class RelationReadout(Readout):
    """``logits + W dropout(r)``, with the features r of how the two students agree.

    For the L2-normalised students t and i of width D, r has these parts, in this order:

    - ``product``: ``t * i * sqrt(D)`` (D)
    - ``difference``: ``|t - i| * sqrt(D)`` (D)
    - ``cosine``: ``5 cos(t, i)`` (1)
    - ``tokens``: ``5 f(text, image), 5 f(image, text)`` (2), where f is the mean over a modality's tokens of their
      largest cosine to the other one's (FILIP, Yao et al. 2021, arXiv:2111.07783)

    Product and difference of two vectors are the features of InferSent (Conneau et al. 2017, arXiv:1705.02364). The
    paper's readout does not have them: there the fused vector alone is classified, in which the fusion must form any
    similarity itself. A sample without text or image keeps the classifier's logits.

    Args:
        config: ``classifier_dropout``, and ``guide_dim`` or ``hidden_size`` for D.
        parts: Names of the parts to use; all by default.

    Raises:
        ModelError: When a part is unknown, or there is none.
    """

    compares: ClassVar[bool] = True

    def __init__(self, config: CLFAConfig, parts: Sequence[str] = PARTS) -> None:
        super().__init__(config)
        wrong = [part for part in parts if part not in PARTS]
        if wrong or not parts or isinstance(parts, str):
            found = repr(parts) if not wrong or isinstance(parts, str) else f"the part {wrong[0]!r}"
            raise ModelError(
                f"readout 'relation' has {found}; model.readout_options.parts is a list of {', '.join(PARTS)}."
            )
        self.parts = [part for part in PARTS if part in parts]
        self.reads_tokens = "tokens" in self.parts
        width = config.guide_dim or config.hidden_size
        sizes = {"product": width, "difference": width, "cosine": 1, "tokens": 2}
        self.dropout = nn.Dropout(config.classifier_dropout)
        # The classifier has the bias.
        self.dense = nn.Linear(sum(sizes[part] for part in self.parts), len(config.label_names), bias=False)

    def forward(self, logits: torch.Tensor, students: Mapping[str, Student]) -> torch.Tensor:
        """See :meth:`Readout.forward`."""
        text, image = students["text"], students["image"]
        features = self.features(text, image).to(self.dense.weight.dtype)
        term = self.dense(self.dropout(features))
        both = complete(text, image)
        return logits + (term if both is None else term.masked_fill(~both[:, None], 0.0))

    def features(self, text: Student, image: Student) -> torch.Tensor:
        """Return the features r of each sample (B, width of the parts), see the class."""
        t, i = unit(text.embeds), unit(image.embeds)
        root = t.shape[-1] ** 0.5
        found: list[torch.Tensor] = []
        if "product" in self.parts:
            found.append(t * i * root)
        if "difference" in self.parts:
            found.append((t - i).abs() * root)
        if "cosine" in self.parts:
            found.append((t * i).sum(dim=-1, keepdim=True) * COSINE_SCALE)
        if text.tokens is not None and image.tokens is not None and self.reads_tokens:
            found.append(token_agreement(text.tokens, image.tokens) * COSINE_SCALE)
        return torch.cat(found, dim=-1)
