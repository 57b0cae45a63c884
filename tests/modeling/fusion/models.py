"""Tiny whole models and batches for the tests of this folder."""

from __future__ import annotations

from typing import Any

import torch
from transformers import BertConfig, ViTConfig

from clfa.modeling import CLFAConfig, CLFAForClassification

SMALL = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
BERT = BertConfig(vocab_size=50, hidden_size=16, **SMALL)
VIT = ViTConfig(image_size=32, patch_size=16, hidden_size=12, **SMALL)
HEAD = {"hidden_size": 8, "projection_hidden_size": 10, "num_attention_heads": 2, "intermediate_size": 12}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.0}


def build_model(fusion: str, text: bool = True, image: bool = True, **fields: Any) -> CLFAForClassification:
    torch.manual_seed(0)
    encoders = {"text_config": BERT.to_dict() if text else None, "vision_config": VIT.to_dict() if image else None}
    shape = HEAD | NO_DROPOUT | {"num_fusion_layers": 1, "num_labels": 3, "fusion": fusion}
    return CLFAForClassification(CLFAConfig(**encoders, **(shape | fields))).eval()


def make_batch() -> dict[str, torch.Tensor]:
    """Four labelled samples with guide embeddings of the model's width; the second has no knowledge."""
    torch.manual_seed(1)
    return {
        "input_ids": torch.randint(1, 50, (4, 6)),
        "attention_mask": torch.tensor([[1] * n + [0] * (6 - n) for n in (6, 3, 5, 1)]),
        "pixel_values": torch.randn(4, 3, 32, 32),
        "knowledge_input_ids": torch.randint(1, 50, (4, 3)),
        "knowledge_attention_mask": torch.tensor([[1, 1, 1], [0, 0, 0], [1, 0, 0], [1, 1, 0]]),
        "labels": torch.tensor([0, 2, 1, 1]),
        "guide_text_embeds": torch.randn(4, 8),
        "guide_image_embeds": torch.randn(4, 8),
    }
