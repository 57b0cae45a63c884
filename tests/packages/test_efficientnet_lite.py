from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification

from clfa.modeling.encoders import encode_image, freeze, load_encoder
from clfa.packages.efficientnet_lite import (
    EfficientNetLiteConfig,
    EfficientNetLiteForImageClassification,
    EfficientNetLiteModel,
)

package = pytest.importorskip("efficientnet_lite_pytorch", reason="needs the extra `offline`")


@pytest.fixture(scope="module")
def original() -> Any:
    """The package's own model with random weights and batch statistics."""
    torch.manual_seed(0)
    model = package.EfficientNet.from_name("efficientnet-lite0")
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.8, 1.2)
    return model.eval()


@pytest.fixture(scope="module")
def converted(original: Any) -> EfficientNetLiteForImageClassification:
    model = EfficientNetLiteForImageClassification(EfficientNetLiteConfig(num_labels=1000)).eval()
    model.load_package_weights(original.state_dict())
    return model


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_logits_are_those_of_the_packages_model(original: Any, converted: Any, pixels: torch.Tensor) -> None:
    expected = original(pixels)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(converted(pixel_values=pixels).logits, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_last_feature_map(original: Any, converted: Any, pixels: torch.Tensor) -> None:
    output = converted.efficientnet(pixel_values=pixels)
    assert output.last_hidden_state.shape == (2, 1280, 7, 7)
    torch.testing.assert_close(output.last_hidden_state, original.extract_features(pixels))
    torch.testing.assert_close(output.pooler_output, output.last_hidden_state.flatten(2).mean(2))
    assert encode_image(converted.efficientnet, pixels).shape == (2, 49, 1280)


def test_weights_of_another_shape_are_refused(original: Any) -> None:
    model = EfficientNetLiteForImageClassification(EfficientNetLiteConfig(num_labels=3))
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        model.load_package_weights(original.state_dict())
    incomplete = {k: v for k, v in original.state_dict().items() if k != "_conv_stem.weight"}
    with pytest.raises(RuntimeError, match="_conv_stem"):
        EfficientNetLiteForImageClassification(EfficientNetLiteConfig(num_labels=1000)).load_package_weights(incomplete)


@torch.no_grad()
def test_saving_and_loading_by_the_auto_classes(converted: Any, pixels: torch.Tensor, tmp_path: Path) -> None:
    converted.save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is EfficientNetLiteConfig
    loaded = AutoModelForImageClassification.from_pretrained(tmp_path)
    assert type(loaded) is EfficientNetLiteForImageClassification
    assert torch.equal(loaded(pixels).logits, converted(pixels).logits)
    encoder = AutoModel.from_pretrained(tmp_path)
    assert type(encoder) is EfficientNetLiteModel
    assert torch.equal(encoder(pixels).pooler_output, converted.efficientnet(pixels).pooler_output)
    assert type(load_encoder(tmp_path, "vision")) is EfficientNetLiteModel


def test_an_encoder_carries_no_classifier(converted: Any) -> None:
    names = [name for name, _ in converted.efficientnet.named_parameters()]
    assert not [name for name in names if "_fc" in name]
    count = sum(parameter.numel() for parameter in converted.parameters())
    assert count == 4_652_008  # EfficientNet-Lite0 of TensorFlow has 4.65 million


def test_freezing_it_wholly() -> None:
    encoder = EfficientNetLiteModel(EfficientNetLiteConfig())
    freeze(encoder, True)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(ImportError, match=r"needs the extra `offline`: pip install 'clfa\[offline\]'"):
        EfficientNetLiteModel(EfficientNetLiteConfig())
