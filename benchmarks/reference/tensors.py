"""Names and layouts of weights: Transformers', Google's release of ViT and the authors' model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file


def write_npz(vit: Path, path: Path) -> None:
    """A Transformers ViT as the ``.npz`` of Google's release, which the authors' code reads."""
    tensors = vit_tensors(load_file(vit / "model.safetensors"))
    np.savez(path, **{name: tensor.numpy() for name, tensor in tensors.items()})


def vit_tensors(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors by the names of Google's release; layouts as there (kernels are transposed weights).

    Args:
        state: Of a Transformers ViT, in the names of its files or of its module.
    """
    state = {canonical(name.removeprefix("vit.")): tensor for name, tensor in state.items()}
    out = {
        "cls": state["embeddings.cls_token"],
        "embedding/kernel": state["embeddings.patch_embeddings.projection.weight"].permute(2, 3, 1, 0),
        "embedding/bias": state["embeddings.patch_embeddings.projection.bias"],
        "Transformer/posembed_input/pos_embedding": state["embeddings.position_embeddings"],
        "Transformer/encoder_norm/scale": state["layernorm.weight"],
        "Transformer/encoder_norm/bias": state["layernorm.bias"],
    }
    attention = "MultiHeadDotProductAttention_1"
    for number in range(1 + max(int(name.split(".")[1]) for name in state if name.startswith("layers."))):
        here, there = f"layers.{number}", f"Transformer/encoderblock_{number}"
        for ours, theirs in (
            ("attention.q_proj", f"{attention}/query"),
            ("attention.k_proj", f"{attention}/key"),
            ("attention.v_proj", f"{attention}/value"),
            ("attention.o_proj", f"{attention}/out"),
            ("mlp.fc1", "MlpBlock_3/Dense_0"),
            ("mlp.fc2", "MlpBlock_3/Dense_1"),
        ):
            out[f"{there}/{theirs}/kernel"] = state[f"{here}.{ours}.weight"].t()
            out[f"{there}/{theirs}/bias"] = state[f"{here}.{ours}.bias"]
        for ours, theirs in (("layernorm_before", "LayerNorm_0"), ("layernorm_after", "LayerNorm_2")):
            out[f"{there}/{theirs}/scale"] = state[f"{here}.{ours}.weight"]
            out[f"{there}/{theirs}/bias"] = state[f"{here}.{ours}.bias"]
    return {name: tensor.contiguous() for name, tensor in out.items()}


# Names in the files of Transformers' ViT, where they differ from those of its module.
_FILE_NAMES = (
    ("encoder.layer.", "layers."),
    ("attention.attention.query", "attention.q_proj"),
    ("attention.attention.key", "attention.k_proj"),
    ("attention.attention.value", "attention.v_proj"),
    ("attention.output.dense", "attention.o_proj"),
    ("intermediate.dense", "mlp.fc1"),
    ("output.dense", "mlp.fc2"),
)


def canonical(name: str) -> str:
    """The module's name of a ViT tensor."""
    for old, new in _FILE_NAMES:
        name = name.replace(old, new)
    return name


_PARTS = (
    ("text_encoder.", "bert."),
    ("text_projection.", "mlp_text."),
    ("image_projection.", "mlp_image."),
    ("fusion.layers.", "attention_net.layer."),
    (".self_attention.", ".textSelfAttn."),
    (".cross_attention.image.", ".imageCrossAttn."),
    (".cross_attention.knowledge.", ".knowledgeCrossAttn."),
    (".feed_forward.fc1.", ".intermediate.dense."),
    (".feed_forward.fc2.", ".output.dense."),
    (".feed_forward.layer_norm.", ".output.LayerNorm."),
    ("vision_encoder.embeddings.patch_embeddings.projection.", "model.transformer.embeddings.patch_embeddings."),
    ("vision_encoder.embeddings.", "model.transformer.embeddings."),
    ("vision_encoder.layernorm.", "model.transformer.encoder.encoder_norm."),
    ("vision_encoder.layers.", "model.transformer.encoder.layer."),
    (".attention.q_proj.", ".attn.query."),
    (".attention.k_proj.", ".attn.key."),
    (".attention.v_proj.", ".attn.value."),
    (".attention.o_proj.", ".attn.out."),
    (".layernorm_before.", ".attention_norm."),
    (".layernorm_after.", ".ffn_norm."),
    (".mlp.fc", ".ffn.fc"),
)


def their_name(name: str) -> str:
    """Name in the authors' model of a tensor of :class:`clfa.modeling.CLFAForClassification`."""
    name = name.removeprefix("clfa.")
    fusion = name.startswith("fusion.")
    for ours, theirs in _PARTS:
        name = name.replace(ours, theirs)
    if fusion and "Attn." in name:
        for part in ("query", "key", "value"):
            name = name.replace(f"Attn.{part}.", f"Attn.bertCoAttn.{part}.")
        name = name.replace("Attn.output.", "Attn.output.dense.").replace("Attn.layer_norm.", "Attn.output.LayerNorm.")
    return name
