"""Inference over a data set for evaluation: logits, embeddings and pooled vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from clfa.cpu import busy
from clfa.errors import ModelError
from clfa.processing.collator import CLFACollator
from clfa.processing.dataset import EncodedDataset
from clfa.progress import track


@dataclass(frozen=True)
class Inference:
    """Model outputs over N samples.

    Args:
        logits: (N, C) float32.
        text_embeds: Projected text features (N, D), or ``None`` in an image-only model.
        image_embeds: Projected image features (N, D), or ``None`` in a text-only model.
        pooled: Fused vectors (N, ``hidden_size``).
        agreement: Cosines of the aligned text and image (N,), NaN where one is missing; ``None`` for models whose
            readout does not compare them.
    """

    logits: np.ndarray
    text_embeds: np.ndarray | None
    image_embeds: np.ndarray | None
    pooled: np.ndarray
    agreement: np.ndarray | None = None


def by_length(dataset: Any) -> list[int]:
    """Return the positions of a data set in ascending order of text length, to reduce padding.

    Args:
        dataset: N samples; a data set without lengths keeps its order.
    """
    lengths = dataset.lengths() if hasattr(dataset, "lengths") else None
    if lengths is None:
        return list(range(len(dataset)))
    return [int(position) for position in np.argsort(lengths, kind="stable")]


# Samples in a message.
_NAMED = 3
# Model inputs of each modality.
_INPUTS = {
    "text": ("input_ids", "attention_mask", "token_type_ids", "text_features", "text_bias", "term_ids", "term_weights"),
    "image": ("pixel_values", "image_features", "image_attention_mask", "image_present"),
    "knowledge": ("knowledge_input_ids", "knowledge_features", "knowledge_attention_mask", "knowledge_bias"),
}


@torch.inference_mode()
def infer(
    model: Any,
    dataset: EncodedDataset,
    *,
    batch_size: int = 64,
    num_workers: int = 0,
    description: str = "evaluation",
    without: str | None = None,
) -> Inference:
    """Run the model over a data set in evaluation mode.

    Args:
        model: A :class:`clfa.modeling.CLFAForClassification`.
        dataset: N samples.
        batch_size: Samples per forward pass.
        num_workers: Number of loader processes.
        description: Text of the progress bar.
        without: Omit ``text``, ``image`` or ``knowledge``, to measure its contribution; text and image can be omitted
            only for models that allow missing modalities.

    Raises:
        ModelError: If an output is not finite; the message names the samples.
    """
    model.eval()
    withheld = _INPUTS[without] if without is not None else ()
    tokenizer = dataset.processor.tokenizer
    collator = CLFACollator((tokenizer.pad_token_id or 0) if tokenizer is not None else 0)
    order = by_length(dataset)
    loader = DataLoader(
        dataset,
        batch_size=batch_size,
        sampler=order,
        collate_fn=collator,
        num_workers=num_workers,
    )
    names = ("logits", "text_embeds", "image_embeds", "pooler_output", "agreement")
    outputs: dict[str, list[np.ndarray]] = {name: [] for name in names}
    with busy(), track(len(dataset), description) as advance:
        for batch in loader:
            inputs = {
                name: tensor.to(model.device)
                for name, tensor in batch.items()
                if name not in ("labels", *withheld) and not name.startswith("guide_")
            }
            output = model(**inputs)
            for name, arrays in outputs.items():
                if output.get(name) is not None:
                    arrays.append(output[name].float().cpu().numpy())
            advance(len(output.logits))
    back = np.argsort(order)
    joined = {name: np.concatenate(arrays)[back] if arrays else None for name, arrays in outputs.items()}
    if joined["logits"] is None or joined["pooler_output"] is None:
        empty = np.empty((0, model.config.num_labels), np.float32)
        return Inference(empty, None, None, np.empty((0, model.config.hidden_size), np.float32))
    wrong = np.flatnonzero(~np.isfinite(joined["logits"]).all(axis=1))
    if len(wrong):
        ids = [str(dataset.split[int(row)]["id"]) for row in wrong[:_NAMED]]
        raise ModelError(
            f"the model's outputs for {len(wrong):,} samples are not finite numbers, {', '.join(map(repr, ids))} "
            "first; look at these samples, or use another precision."
        )
    embeds = joined["text_embeds"], joined["image_embeds"]
    return Inference(joined["logits"], *embeds, joined["pooler_output"], joined["agreement"])
