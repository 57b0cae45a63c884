"""Average-pooled features of a convolutional network with a classifier: the usual ResNet baseline."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


class ImagePooled(Baseline):
    """He et al., "Deep Residual Learning for Image Recognition", CVPR 2016: global average pooling and a classifier.

    ``p = W mean_i(v_i) + b`` over the grid cells v_i; with the classifier that is the paper's one linear layer on the
    pooled features (section 3.3). Of an encoder with patch tokens, [CLS] counts as one of them.

    Simplified against the paper: nothing but the classifier's factor, which gives every model's pooled vector the same
    width. Only the image is read; set ``model.text_encoder=null`` to save time.

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

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        pooled = masked_mean(streams["image"].hidden, streams["image"].mask)
        return Stream(self.dense(self.dropout(pooled)).unsqueeze(1))
