"""Configuration of EfficientNet-Lite, which is read without PyTorch."""

# No `from __future__ import annotations` here: @strict checks values against the annotations and skips strings.
from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig


@strict
class EfficientNetLiteConfig(PreTrainedConfig):
    """Configuration of :class:`clfa.packages.efficientnet_lite.EfficientNetLiteModel`.

    Args:
        variant: Architecture name in ``efficientnet-lite-pytorch``.
        hidden_size: Channels of the last feature map.
        image_size: Input height and width in pixels.
    """

    model_type = "efficientnet_lite"

    variant: str = "efficientnet-lite0"
    hidden_size: int = 1280
    image_size: int = 224


AutoConfig.register("efficientnet_lite", EfficientNetLiteConfig)
