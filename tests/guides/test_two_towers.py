"""Guides of two-tower models beside CLIP: AltCLIP, SigLIP 2, and models that cannot be one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from clfa.errors import ModelError
from clfa.guides.clip import CLIPGuide
from two_towers import POSITIONS, two_tower_dir
from vocabularies import tiny_bert_tokenizer

TEXTS = ["so sunny", "what a lovely day " * 40]
PICTURES = [Image.new("RGB", (40, 30), "red"), Image.new("RGB", (20, 30), "blue")]


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize("family", ["SigLIP 2 of any shape", "AltCLIP"])
def test_the_guide_gives_the_models_own_embeddings(family: str, tmp_path: Path) -> None:
    folder = two_tower_dir(tmp_path, family)
    guide = CLIPGuide(folder)
    # AltCLIP's text tower counts positions from behind that of padding: its configuration says one more.
    assert guide.max_length == POSITIONS
    padding = {"padding": "max_length" if "SigLIP" in family else True, "max_length": POSITIONS}
    texts = dict(guide.tokenizer(TEXTS, truncation=True, return_tensors="pt", **padding))
    if "SigLIP" in family:
        texts = {"input_ids": texts["input_ids"]}
    pixels = guide.image_processor(images=PICTURES, return_tensors="pt")
    with torch.no_grad():
        output = tf.AutoModel.from_pretrained(folder).eval()(**texts, **pixels)
    np.testing.assert_allclose(unit(guide.embed_texts(TEXTS)), output.text_embeds.numpy(), atol=1e-5)
    np.testing.assert_allclose(unit(guide.embed_images(PICTURES)), output.image_embeds.numpy(), atol=1e-5)


def saved(folder: Path, model: Any) -> Path:
    model.save_pretrained(folder)
    tiny_bert_tokenizer().save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def test_embeddings_of_different_widths_are_refused(tmp_path: Path) -> None:
    vision = {"width_coefficient": 0.1, "depth_coefficient": 0.1, "hidden_dim": 128}
    config = tf.AlignConfig(text_config={**SMALL, "vocab_size": 99}, vision_config=vision, projection_dim=16)
    with pytest.raises(
        ModelError,
        match=r"cannot be the guide: what AlignModel returns for a text and for a picture has the shapes \(1, 16\) and "
        r"\(1, 32\), which cannot be compared\. Give another guide\.model, or use guide\.name=fitted",
    ):
        CLIPGuide(saved(tmp_path, tf.AlignModel(config)))


def test_a_model_that_fails_on_pictures_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = two_tower_dir(tmp_path, "SigLIP 2 of any shape")

    def fails(self: Any, **inputs: Any) -> Any:
        raise ValueError("no such\ninput")

    monkeypatch.setattr(tf.Siglip2Model, "get_image_features", fails)
    with pytest.raises(
        ModelError, match=r"cannot be the guide: Siglip2Model fails on pictures \(no such input\)\. Give another"
    ):
        CLIPGuide(folder)
