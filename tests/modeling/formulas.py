"""The method's formulas spelled out with elementary operations only, to hold the implementation against.

No ``nn.MultiheadAttention``, no fused attention, no ``nn.LayerNorm``: softmax, erf, sums and products. ``P`` is a
dictionary of tensors by parameter name, ``name`` the module's.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

Parameters = dict[str, Tensor]


def linear(x: Tensor, P: Parameters, name: str) -> Tensor:
    return x @ P[f"{name}.weight"].T + P[f"{name}.bias"]


def layer_norm(x: Tensor, P: Parameters, name: str, eps: float) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred**2).mean(-1, keepdim=True)
    return centred / (variance + eps) ** 0.5 * P[f"{name}.weight"] + P[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def softmax(scores: Tensor) -> Tensor:
    powers = (scores - scores.max(-1, keepdim=True).values).exp()
    return powers / powers.sum(-1, keepdim=True)


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None, bias: Tensor | None = None) -> Tensor:
    """Concatenated heads of softmax(q k^T / sqrt(d) + bias + mask) v; mask (B, M) is 1 where a key exists."""
    d = q.shape[-1] // heads
    outputs = []
    for head in range(heads):
        part = slice(head * d, (head + 1) * d)
        scores = q[..., part] @ k[..., part].transpose(-1, -2) / math.sqrt(d)
        if bias is not None:
            scores = scores + bias
        if mask is not None:
            scores = scores + torch.where(mask.bool(), 0.0, -math.inf).to(scores.dtype)[:, None, :]
        outputs.append(softmax(scores) @ v[..., part])
    return torch.cat(outputs, dim=-1)


def masked_mean(x: Tensor, mask: Tensor | None) -> Tensor:
    if mask is None:
        return x.sum(1) / x.shape[1]
    return torch.stack([row[keep.bool()].sum(0) / keep.sum() for row, keep in zip(x, mask, strict=True)])


def projection(x: Tensor, P: Parameters, name: str) -> Tensor:
    """MLP with ReLU between."""
    return linear(linear(x, P, f"{name}.fc1").clamp(min=0), P, f"{name}.fc2")


def attention_sub_layer(
    x: Tensor,
    context: Tensor,
    P: Parameters,
    name: str,
    mask: Tensor | None,
    bias: Tensor | None = None,
    heads: int = 8,
) -> Tensor:
    """8 heads, post-LayerNorm (eps 1e-12) with residual; a sample whose mask is empty has no such sub-layer."""
    if mask is not None:
        empty = mask.sum(1) == 0
        mask = torch.where(empty[:, None], torch.ones_like(mask), mask)
    q, k, v = linear(x, P, f"{name}.query"), linear(context, P, f"{name}.key"), linear(context, P, f"{name}.value")
    update = linear(attention(q, k, v, heads, mask, bias), P, f"{name}.output")
    result = layer_norm(x + update, P, f"{name}.layer_norm", 1e-12)
    return result if mask is None else torch.where(empty[:, None, None], x, result)


def feed_forward_sub_layer(x: Tensor, P: Parameters, name: str) -> Tensor:
    update = linear(gelu(linear(x, P, f"{name}.fc1")), P, f"{name}.fc2")
    return layer_norm(x + update, P, f"{name}.layer_norm", 1e-12)


def bert(ids: Tensor, mask: Tensor, P: Parameters, layers: int, heads: int) -> list[Tensor]:
    """Embeddings and the output of each layer (B, T, width) of a BERT (Devlin et al. 2019), segment 0 throughout."""
    e = "embeddings"
    x = (
        P[f"{e}.word_embeddings.weight"][ids]
        + P[f"{e}.position_embeddings.weight"][: ids.shape[1]]
        + P[f"{e}.token_type_embeddings.weight"][0]
    )
    states = [layer_norm(x, P, f"{e}.LayerNorm", 1e-12)]
    for number in range(layers):
        x, name = states[-1], f"encoder.layer.{number}"
        q, k, v = (linear(x, P, f"{name}.attention.self.{part}") for part in ("query", "key", "value"))
        update = linear(attention(q, k, v, heads, mask), P, f"{name}.attention.output.dense")
        x = layer_norm(x + update, P, f"{name}.attention.output.LayerNorm", 1e-12)
        update = linear(gelu(linear(x, P, f"{name}.intermediate.dense")), P, f"{name}.output.dense")
        states.append(layer_norm(x + update, P, f"{name}.output.LayerNorm", 1e-12))
    return states


def vit(pixels: Tensor, P: Parameters, layers: int, heads: int, patch: int) -> list[Tensor]:
    """Embeddings, the output of each layer, and last the final LayerNorm's (B, 1 + patches, width) of a ViT
    (Dosovitskiy et al. 2021)."""
    kernel = P["embeddings.patch_embeddings.projection.weight"].flatten(1)
    rows, columns = pixels.shape[2] // patch, pixels.shape[3] // patch
    patches = [
        pixels[:, :, r * patch : (r + 1) * patch, c * patch : (c + 1) * patch].flatten(1) @ kernel.T
        + P["embeddings.patch_embeddings.projection.bias"]
        for r in range(rows)
        for c in range(columns)
    ]
    first = P["embeddings.cls_token"][0, 0].expand(len(pixels), -1)
    states = [torch.stack([first, *patches], dim=1) + P["embeddings.position_embeddings"]]
    for number in range(layers):
        x, name = states[-1], f"layers.{number}"
        normed = layer_norm(x, P, f"{name}.layernorm_before", 1e-12)
        q, k, v = (linear(normed, P, f"{name}.attention.{part}_proj") for part in "qkv")
        x = x + linear(attention(q, k, v, heads, None), P, f"{name}.attention.o_proj")
        normed = layer_norm(x, P, f"{name}.layernorm_after", 1e-12)
        states.append(x + linear(gelu(linear(normed, P, f"{name}.mlp.fc1")), P, f"{name}.mlp.fc2"))
    return [*states, layer_norm(states[-1], P, "layernorm", 1e-12)]
