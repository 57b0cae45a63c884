"""Directories of small random two-tower models, each with a tokenizer and an image processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as tf
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip2.image_processing_pil_siglip2 import Siglip2ImageProcessorPil

from vocabularies import tiny_bert_tokenizer

FAMILIES = ("SigLIP", "SigLIP 2 of any shape", "AltCLIP", "dual encoder")
# Positions of the text towers.
POSITIONS = 24


def two_tower_dir(folder: Path, family: str) -> Path:
    """Write a random model to a folder: text tower 16 wide, vision tower 24, 32 x 32 px, joint space 12."""
    tokenizer = tiny_bert_tokenizer()
    small = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    special = {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, "vocab_size": len(tokenizer)}
    text: dict[str, Any] = {**small, **special, "hidden_size": 16, "max_position_embeddings": POSITIONS}
    vision: dict[str, Any] = {**small, "hidden_size": 24, "patch_size": 16}
    size = {"height": 32, "width": 32}
    torch.manual_seed(6)
    processor: Any = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size)
    model: Any
    if family == "SigLIP":
        # The image features of SigLIP are not projected.
        text["projection_size"] = 24
        model = tf.SiglipModel(tf.SiglipConfig(text_config=text, vision_config={**vision, "image_size": 32}))
    elif family == "SigLIP 2 of any shape":
        text["projection_size"] = 24
        model = tf.Siglip2Model(tf.Siglip2Config(text_config=text, vision_config={**vision, "num_patches": 4}))
        processor = Siglip2ImageProcessorPil(patch_size=16, max_num_patches=4)
    elif family == "AltCLIP":
        text["project_dim"] = 20
        text["max_position_embeddings"] = POSITIONS + 1
        towers = {"text_config": text, "vision_config": {**vision, "image_size": 32}}
        model = tf.AltCLIPModel(tf.AltCLIPConfig(**towers, projection_dim=12))
    else:
        model = tf.VisionTextDualEncoderModel(
            tf.VisionTextDualEncoderConfig.from_vision_text_configs(
                tf.ViTConfig(**vision, image_size=32), tf.BertConfig(**text), projection_dim=12
            )
        )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
