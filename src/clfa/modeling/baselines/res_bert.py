"""Res-BERT: concatenation of one image vector and one text vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.baselines.vectors import has_class_token, image_vector, text_vector
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream


class ResBert(Baseline):
    """Res-BERT, a baseline of Pan et al., "Modeling Intra and Inter-modality Incongruity for Multi-Modal Sarcasm
    Detection", Findings of EMNLP 2020.

    ``out = W [v_image; h_CLS] + b``: the pooled feature of a ResNet beside BERT's [CLS], without a hidden
    non-linearity, so that together with the classifier it is one linear layer on the concatenation, as reported there.

    Simplified against the paper: the encoders are those of the recipe (in the paper ResNet-152 and BERT-base); of a
    vision transformer the class token is taken, of CLIP's text encoder the end-of-text token, of embeddings without
    context their mean. Knowledge is not read.

    Args:
        config: ``hidden_size`` and ``hidden_dropout_prob``.
        widths: Feature width by stream name.

    Raises:
        ModelError: When text or image is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        self.config = config
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(widths["image"] + widths["text"], config.hidden_size)

    @classmethod
    def takes_several_images(cls, vision_type: str) -> bool:
        """See :meth:`Baseline.takes_several_images`; a class token is that of one image."""
        return not has_class_token(vision_type)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        both = [image_vector(streams["image"], self.config), text_vector(streams["text"], self.config)]
        return Stream(self.dense(self.dropout(torch.cat(both, dim=-1))).unsqueeze(1))
