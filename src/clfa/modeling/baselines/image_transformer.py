"""The [CLS] token of a vision transformer with a classifier: the usual ViT baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream


class ImageTransformer(Baseline):
    """Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021: the [CLS] token and a linear classifier.

    ``y = LN(z_[CLS])`` of the last layer (equation 4; the LayerNorm is the encoder's), ``p = W y + b``; with the
    classifier that is the paper's one linear layer for fine-tuning (section 3.2).

    Simplified against the paper: nothing but the classifier's factor, which gives every model's pooled vector the same
    width. The first token is taken for [CLS]: for a convolutional encoder, which has none, use ``image_pooled``. Only
    the image is read; set ``model.text_encoder=null`` to save time.

    Args:
        config: ``hidden_size`` and ``hidden_dropout_prob`` (0 in the paper).
        widths: Feature width by stream name.

    Raises:
        ModelError: When there is no image.
    """

    needs: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(widths["image"], config.hidden_size)

    @classmethod
    def takes_several_images(cls, vision_type: str) -> bool:
        """See :meth:`Baseline.takes_several_images`; [CLS] is that of one image."""
        return False

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        return Stream(self.dense(self.dropout(streams["image"].hidden[:, :1])))
