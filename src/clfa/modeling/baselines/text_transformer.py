"""A pretrained text encoder with a classifier: the usual BERT baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.errors import ModelError
from clfa.modeling.baselines.base import Baseline
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class TextTransformer(Baseline):
    """Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding", NAACL 2019.

    ``p = tanh(W h_[CLS] + b)`` as in BERT's pooler, then dropout and the classifier (section 4.1); or, with
    ``vector="mean"``, the masked mean of all tokens instead of [CLS], for sentence encoders trained that way.

    Simplified against the paper: the pooler's weights are fresh, not those of next-sentence prediction. Only the text
    is read; set ``model.vision_encoder=null`` to save time.

    Args:
        config: ``hidden_size``.
        widths: Feature width by stream name.
        vector: ``cls`` (the first token) or ``mean``.

    Raises:
        ModelError: When there is no text, or ``vector`` is neither.
    """

    needs: ClassVar[tuple[str, ...]] = ("text",)

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int], vector: str = "cls") -> None:
        super().__init__(config, widths)
        if vector not in ("cls", "mean"):
            raise ModelError(f"baseline 'text_transformer' has vector={vector!r}; choose cls or mean.")
        self.vector = vector
        self.pooler = nn.Linear(widths["text"], config.hidden_size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        hidden, mask, _ = streams["text"]
        text = hidden[:, 0] if self.vector == "cls" else masked_mean(hidden, mask)
        return Stream(torch.tanh(self.pooler(text)).unsqueeze(1))
