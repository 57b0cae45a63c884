"""CLFA's training step in plain PyTorch: one function from tensors to the loss, written from the paper's formulas.

The guard's yardstick: it shares nothing with ``clfa.modeling`` nor with Transformers, only the parameters. Dropout is
left out, so that both losses are equal and both do the same work.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

Parameters = Mapping[str, Tensor]


def loss(
    P: Parameters,
    batch: Mapping[str, Tensor],
    text_heads: int,
    image_heads: int,
    heads: int,
    temperature: float = 0.1,
) -> Tensor:
    """Guided contrastive losses of both modalities plus cross-entropy.

    Args:
        P: Tensors by the names of ``CLFAForClassification``; layers are counted by their names.
        batch: ``input_ids`` and ``attention_mask`` (B, T), ``pixel_values`` (B, 3, H, W), ``labels`` (B,),
            ``guide_text_embeds`` and ``guide_image_embeds`` (B, D).
        text_heads: Of the text encoder.
        image_heads: Of the vision encoder.
        heads: Of the fusion.
        temperature: tau.

    Returns:
        Scalar.
    """
    mask = batch["attention_mask"]
    text = _projection(P, "clfa.text_projection", _bert(P, batch["input_ids"], mask, text_heads))
    image = _projection(P, "clfa.image_projection", _vit(P, batch["pixel_values"], image_heads))
    weights = mask.to(text.dtype)[..., None]
    fused = text
    for number in range(_count(P, "clfa.fusion.layers.")):
        layer = f"clfa.fusion.layers.{number}"
        fused = _attention(P, f"{layer}.self_attention", fused, fused, heads, mask)
        fused = _attention(P, f"{layer}.cross_attention.image", fused, image, heads, None)
        inner = F.gelu(_linear(P, f"{layer}.feed_forward.fc1", fused))
        fused = _norm(P, f"{layer}.feed_forward.layer_norm", fused + _linear(P, f"{layer}.feed_forward.fc2", inner))
    pooled = (fused * weights).sum(1) / weights.sum(1)
    students = (text * weights).sum(1) / weights.sum(1), image.mean(1)
    guides = batch["guide_text_embeds"], batch["guide_image_embeds"]
    aligned = [_contrast(s, g, temperature) for s, g in zip(students, guides, strict=True)]
    return aligned[0] + aligned[1] + F.cross_entropy(_linear(P, "classifier", pooled), batch["labels"])


def _bert(P: Parameters, ids: Tensor, mask: Tensor, heads: int) -> Tensor:
    e = "clfa.text_encoder.embeddings"
    x = F.embedding(ids, P[f"{e}.word_embeddings.weight"]) + P[f"{e}.token_type_embeddings.weight"][0]
    x = _norm(P, f"{e}.LayerNorm", x + P[f"{e}.position_embeddings.weight"][: ids.shape[1]])
    for number in range(_count(P, "clfa.text_encoder.encoder.layer.")):
        layer = f"clfa.text_encoder.encoder.layer.{number}"
        names = [f"{layer}.attention.self.{part}" for part in ("query", "key", "value")]
        attended = _linear(P, f"{layer}.attention.output.dense", _attend(P, names, x, x, heads, mask))
        x = _norm(P, f"{layer}.attention.output.LayerNorm", x + attended)
        inner = F.gelu(_linear(P, f"{layer}.intermediate.dense", x))
        x = _norm(P, f"{layer}.output.LayerNorm", x + _linear(P, f"{layer}.output.dense", inner))
    return x


def _vit(P: Parameters, pixels: Tensor, heads: int) -> Tensor:
    e = "clfa.vision_encoder.embeddings"
    kernel = P[f"{e}.patch_embeddings.projection.weight"]
    patches = F.conv2d(pixels, kernel, P[f"{e}.patch_embeddings.projection.bias"], kernel.shape[-1])
    tokens = patches.flatten(2).transpose(1, 2)
    x = torch.cat([P[f"{e}.cls_token"].expand(len(tokens), -1, -1), tokens], dim=1) + P[f"{e}.position_embeddings"]
    for number in range(_count(P, "clfa.vision_encoder.layers.")):
        layer = f"clfa.vision_encoder.layers.{number}"
        normed = _norm(P, f"{layer}.layernorm_before", x, 1e-6)
        names = [f"{layer}.attention.{part}_proj" for part in "qkv"]
        x = x + _linear(P, f"{layer}.attention.o_proj", _attend(P, names, normed, normed, heads, None))
        inner = F.gelu(_linear(P, f"{layer}.mlp.fc1", _norm(P, f"{layer}.layernorm_after", x, 1e-6)))
        x = x + _linear(P, f"{layer}.mlp.fc2", inner)
    return _norm(P, "clfa.vision_encoder.layernorm", x, 1e-6)


def _attention(P: Parameters, name: str, x: Tensor, context: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    names = [f"{name}.{part}" for part in ("query", "key", "value")]
    return _norm(P, f"{name}.layer_norm", x + _linear(P, f"{name}.output", _attend(P, names, x, context, heads, mask)))


def _attend(P: Parameters, names: list[str], x: Tensor, context: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    q, k, v = (
        _linear(P, name, source).unflatten(-1, (heads, -1)).transpose(1, 2)
        for name, source in zip(names, (x, context, context), strict=True)
    )
    keys = None if mask is None else mask.bool()[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=keys).transpose(1, 2).flatten(2)


def _contrast(student: Tensor, guide: Tensor, temperature: float) -> Tensor:
    logits = F.normalize(student, dim=1) @ F.normalize(guide, dim=1).T / temperature
    targets = torch.arange(len(logits))
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


def _projection(P: Parameters, name: str, x: Tensor) -> Tensor:
    return _linear(P, f"{name}.fc2", torch.relu(_linear(P, f"{name}.fc1", x)))


def _linear(P: Parameters, name: str, x: Tensor) -> Tensor:
    return F.linear(x, P[f"{name}.weight"], P[f"{name}.bias"])


def _norm(P: Parameters, name: str, x: Tensor, epsilon: float = 1e-12) -> Tensor:
    weight = P[f"{name}.weight"]
    return F.layer_norm(x, weight.shape, weight, P[f"{name}.bias"], epsilon)


def _count(P: Parameters, prefix: str) -> int:
    return 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in P if name.startswith(prefix))
