"""Pooling of a convolutional grid: the same through pixels and through cached features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import ResNetConfig, ResNetModel
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

from clfa.modeling import CLFAForClassification
from clfa.modeling.encoders import encode_image, pool_grid
from clfa.modeling.frozen_encoder import FrozenEncoder
from clfa.processing.processor import CLFAProcessor


def test_pixels_and_cached_features_agree(tiny_bert_dir: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=4, hidden_sizes=[4, 6], depths=[1, 1], layer_type="basic")
    encoder = ResNetModel(config).eval()
    model = CLFAForClassification.from_encoders(
        tiny_bert_dir,
        encoder,
        ["bad", "good"],
        hidden_size=8,
        num_attention_heads=2,
        image_grid_size=2,
        freeze_vision_encoder=True,
        text_feature_dropout=0.5,
        image_feature_dropout=0.25,
    ).eval()
    assert model.clfa.text_projection.dropout.p == 0.5
    assert model.clfa.image_projection.dropout.p == 0.25

    processor = CLFAProcessor(ViTImageProcessorPil(size={"height": 32, "width": 32}), None)
    frozen = FrozenEncoder("image", encoder, processor, tmp_path, dtype="float32", grid_size=2)
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    image = Image.fromarray(noise)
    key = frozen.key(image)
    frozen.ensure_tokens([image], [key])

    pixels = processor.pixels([image])
    with torch.inference_mode():
        grid = encode_image(encoder, pixels)
        assert grid.shape == (1, 16, 6)
        np.testing.assert_allclose(frozen.tokens[key], pool_grid(grid, 2)[0].numpy(), atol=1e-6)
        np.testing.assert_allclose(frozen.pooled[key][0], grid.mean(dim=1)[0].numpy(), atol=1e-6)
        text = {"input_ids": torch.tensor([[2, 7, 3]]), "attention_mask": torch.ones(1, 3, dtype=torch.long)}
        through_pixels = model(**text, pixel_values=pixels).logits
        through_cache = model(**text, image_features=torch.tensor(frozen.tokens[key][None])).logits
    torch.testing.assert_close(through_pixels, through_cache, atol=1e-6, rtol=0)
