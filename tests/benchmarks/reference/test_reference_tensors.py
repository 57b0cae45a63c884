from __future__ import annotations

from pathlib import Path

import pytest
import torch
from benchmarks.reference.tensors import their_name, vit_tensors
from transformers import ViTConfig, ViTModel


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("clfa.text_encoder.encoder.layer.3.output.dense.weight", "bert.encoder.layer.3.output.dense.weight"),
        ("clfa.text_projection.fc1.bias", "mlp_text.fc1.bias"),
        (
            "clfa.fusion.layers.1.self_attention.query.weight",
            "attention_net.layer.1.textSelfAttn.bertCoAttn.query.weight",
        ),
        (
            "clfa.fusion.layers.0.cross_attention.image.output.bias",
            "attention_net.layer.0.imageCrossAttn.output.dense.bias",
        ),
        (
            "clfa.fusion.layers.0.cross_attention.knowledge.layer_norm.weight",
            "attention_net.layer.0.knowledgeCrossAttn.output.LayerNorm.weight",
        ),
        ("clfa.fusion.layers.2.feed_forward.fc2.weight", "attention_net.layer.2.output.dense.weight"),
        ("clfa.vision_encoder.layers.5.attention.o_proj.weight", "model.transformer.encoder.layer.5.attn.out.weight"),
        ("clfa.vision_encoder.layers.5.layernorm_after.bias", "model.transformer.encoder.layer.5.ffn_norm.bias"),
        ("clfa.vision_encoder.layernorm.weight", "model.transformer.encoder.encoder_norm.weight"),
        ("clfa.vision_encoder.embeddings.cls_token", "model.transformer.embeddings.cls_token"),
        ("classifier.weight", "classifier.weight"),
    ],
)
def test_names_of_their_tensors(ours: str, theirs: str) -> None:
    assert their_name(ours) == theirs


@pytest.mark.parametrize("saved", [False, True], ids=["module", "file"])
def test_a_vit_in_the_layout_of_its_release(saved: bool, tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    model = ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes), add_pooling_layer=False)
    state = model.state_dict()
    if saved:
        from safetensors.torch import load_file

        model.save_pretrained(tmp_path)
        state = load_file(tmp_path / "model.safetensors")
    found = vit_tensors(state)
    layer = model.layers[1]
    block = "Transformer/encoderblock_1"
    assert torch.equal(found[f"{block}/MultiHeadDotProductAttention_1/key/kernel"], layer.attention.k_proj.weight.T)
    assert torch.equal(found[f"{block}/MlpBlock_3/Dense_1/kernel"], layer.mlp.fc2.weight.T)
    assert torch.equal(found[f"{block}/LayerNorm_2/scale"], layer.layernorm_after.weight)
    # Height, width, channels in, channels out.
    assert found["embedding/kernel"].shape == (16, 16, 3, 8)
    assert len(found) == 6 + 2 * 16
