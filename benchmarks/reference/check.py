"""Losses, logits and gradients of both models on identical weights and inputs."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import torch

from benchmarks.reference.script import check_folder
from benchmarks.reference.stand_ins import stand_in
from benchmarks.reference.tensors import their_name, write_npz
from clfa.errors import DataError

TEXT_LENGTH, KNOWLEDGE_LENGTH, IMAGE_TOKENS = 77, 66, 50


def check(directory: Path, encoders: Path, output: Path, batch_size: int = 8) -> dict[str, float]:
    """Compare losses, logits and gradients of both models on identical weights and inputs, dropout off.

    Both get the same samples: texts of different lengths, the knowledge [CLS] [SEP] and a random word-pair graph. The
    authors' model gets them padded to 77 and 66, ours to the longest.

    Returns:
        ``ours`` and ``theirs`` (the loss), ``loss_difference`` (relative), ``logit_difference`` (largest, absolute) and
        ``gradient_difference`` (largest norm of a tensor's difference, over the norm of all gradients).
    """
    from clfa.modeling import CLFAForClassification

    check_folder(directory)
    stand_in()
    sys.path.insert(0, str(directory))
    try:
        import models as theirs_module
    finally:
        sys.path.remove(str(directory))
    output.mkdir(parents=True, exist_ok=True)
    write_npz(encoders / "vit", output / "vit.npz")
    torch.manual_seed(2022)
    ours: Any = CLFAForClassification.from_encoders(
        encoders / "bert", encoders / "vit", ("no", "yes"), use_knowledge=True, guide_dim=512
    ).eval()
    with torch.no_grad():
        # Fresh LayerNorms are the identity and fresh biases are zero: a mistake in them would not show.
        for parameter in ours.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    options = Namespace(
        bert_pretrained_dir=str(encoders / "bert"),
        vit_pretrained_dir=str(output / "vit.npz"),
        alpha=1.0,
        beta=1.0,
        temperature=0.1,
        device=torch.device("cpu"),
        attn_layer_num=3,
        model_type="ViT-B_32",
        img_size=224,
    )
    theirs = theirs_module.VitBERT(options).eval()
    mapped = {their_name(name): tensor for name, tensor in ours.state_dict().items()}
    report = theirs.load_state_dict(mapped, strict=False)
    unused = ("text_pooler.", "bert.pooler.", "model.head.", "bert.embeddings.position_ids")
    left = [name for name in report.missing_keys if not name.startswith(unused)]
    if left or report.unexpected_keys:
        raise DataError(f"{directory}: the authors' model has other tensors than expected: {left or report}")
    inputs = _inputs(batch_size, int(ours.config.text_config.vocab_size))
    found = ours(**inputs["ours"])
    found.loss.backward()
    loss = theirs(**inputs["theirs"], labels=inputs["ours"]["labels"])
    loss.backward()
    with torch.no_grad():
        logits, _ = theirs(**inputs["theirs"])
    gradients = dict(theirs.named_parameters())
    pairs = [(p.grad, gradients[their_name(n)].grad) for n, p in ours.named_parameters() if p.grad is not None]
    norm = torch.stack([ours.norm() for ours, _ in pairs]).norm()
    return {
        "ours": found.loss.item(),
        "theirs": loss.item(),
        "loss_difference": abs(found.loss.item() - loss.item()) / abs(loss.item()),
        "logit_difference": (found.logits - logits).abs().max().item(),
        "gradient_difference": (max((a - b).norm() for a, b in pairs) / norm).item(),
    }


def _inputs(batch_size: int, vocabulary: int) -> dict[str, dict[str, Any]]:
    """The same samples for both models; the graph's last row and column are the authors' padding with a 1."""
    generator = torch.Generator().manual_seed(7)
    lengths = [5 + 7 * number % 40 for number in range(batch_size)]
    longest = max(lengths)
    ids = torch.zeros(batch_size, TEXT_LENGTH, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(5, vocabulary, (length,), generator=generator)
        mask[row, :length] = 1
    graph = torch.rand(batch_size, TEXT_LENGTH, TEXT_LENGTH, generator=generator)
    cross = torch.rand(batch_size, TEXT_LENGTH, KNOWLEDGE_LENGTH, generator=generator)
    knowledge = torch.zeros(batch_size, KNOWLEDGE_LENGTH, dtype=torch.long)
    knowledge[:, :2] = torch.tensor([2, 3])
    knowledge_mask = (knowledge > 0).long()
    pixels = torch.randn(batch_size, 3, 224, 224, generator=generator)
    embeds = [torch.randn(batch_size, 512, generator=generator) for _ in range(2)]
    labels = torch.arange(batch_size) % 2
    ours = {
        "input_ids": ids[:, :longest],
        "attention_mask": mask[:, :longest],
        "text_bias": graph[:, :longest, :longest],
        "knowledge_input_ids": knowledge[:, :2],
        "knowledge_attention_mask": knowledge_mask[:, :2],
        "knowledge_bias": cross[:, :longest, :2],
        "pixel_values": pixels,
        "guide_text_embeds": embeds[0],
        "guide_image_embeds": embeds[1],
        "labels": labels,
    }
    theirs = {
        "input_ids": ids,
        "vision_features": pixels,
        "input_mask": mask,
        "added_attention_mask": torch.ones(batch_size, TEXT_LENGTH + IMAGE_TOKENS, dtype=torch.long),
        "hashtag_input_ids": knowledge,
        "hashtag_input_mask": knowledge_mask,
        "self_extra_attention": graph,
        "cross_extra_attention": cross,
        "pooling_type": 1,
        "text_embeds": embeds[0],
        "image_embeds": embeds[1],
    }
    return {"ours": ours, "theirs": theirs}
