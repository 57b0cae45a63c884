"""Collator: padding and stacking of samples to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from clfa.processing.pictures import pad_pictures, pad_tokens
from clfa.processing.sparse import dense
from clfa.processing.terms import pad_terms

# Attention biases, and the mask of the tokens attended to. Biases are padded last, when the padded lengths are known.
_BIASES = {"text_bias": "attention_mask", "knowledge_bias": "knowledge_attention_mask"}

# Key of a sample's position in its data set.
INDEX = "sample_index"


@dataclass
class CLFACollator:
    """Pad samples to the longest one and stack them.

    Args:
        pad_token_id: Padding token of the tokenizer.
        keep_index: Whether batches have the positions of their samples in the data set as ``sample_index``, which the
            Trainer needs for messages. Models do not take it.

    Example:
        >>> batch = CLFACollator()([{"input_ids": [1, 2, 3], "labels": 0}, {"input_ids": [4], "labels": 1}])
        >>> batch["attention_mask"].tolist()
        [[1, 1, 1], [1, 0, 0]]
    """

    pad_token_id: int = 0
    keep_index: bool = False

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """Return the tensors of B samples, by argument name of :meth:`clfa.modeling.CLFAModel.forward`."""
        batch: dict[str, torch.Tensor] = {}
        for name in samples[0]:
            values = [sample[name] for sample in samples]
            if name in _BIASES or (name == INDEX and not self.keep_index):
                continue
            if name == "input_ids":
                batch["input_ids"], batch["attention_mask"] = self._pad_ids(values)
            elif name == "knowledge_input_ids":
                # Omit knowledge if no sample has any, so that the model computes nothing for it.
                if any(len(ids) for ids in values):
                    batch[name], batch["knowledge_attention_mask"] = self._pad_ids(values)
            elif name == "knowledge_features":
                if any(len(rows) for rows in values):
                    batch[name], batch["knowledge_attention_mask"] = _pad_rows(values)
            elif name == "terms":
                batch["term_ids"], batch["term_weights"] = map(torch.from_numpy, pad_terms(values))
            elif name == "text_features":
                batch[name], batch["attention_mask"] = _pad_rows(values)
            elif name == "pixel_values" and any(value is not None and value.ndim == 4 for value in values):
                batch[name], batch["image_present"] = map(torch.from_numpy, pad_pictures(values))
            elif name in ("pixel_values", "image_features"):
                present = [value for value in values if value is not None]
                # Omit the images if no sample has one.
                if name == "image_features" and len({len(value) for value in present}) > 1:
                    batch[name], batch["image_attention_mask"] = map(torch.from_numpy, pad_tokens(values))
                elif present:
                    blank = np.zeros_like(present[0])
                    batch[name] = _stack([blank if value is None else value for value in values])
                if len(present) < len(values):
                    batch["image_present"] = torch.tensor([value is not None for value in values])
            elif name in ("labels", "guide_index", "student_rows", "contents", INDEX):
                batch[name] = torch.from_numpy(np.asarray(values))
            else:
                batch[name] = _stack(values)
        for name, columns in _BIASES.items():
            if name in samples[0] and columns in batch:
                shape = batch["attention_mask"].shape[1], batch[columns].shape[1]
                batch[name] = torch.from_numpy(dense([sample[name] for sample in samples], *shape))
        return batch

    def _pad_ids(self, values: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(1, *(len(ids) for ids in values))
        padded = torch.full((len(values), longest), self.pad_token_id)
        mask = torch.zeros_like(padded)
        for row, ids in enumerate(values):
            padded[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
            mask[row, : len(ids)] = 1
        return padded, mask


def _stack(values: Sequence[Any]) -> torch.Tensor:
    if any(isinstance(value, torch.Tensor) for value in values):
        return torch.stack([torch.as_tensor(value) for value in values])
    return torch.from_numpy(np.stack(values).astype(np.float32, copy=False))


def _pad_rows(values: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(1, *(len(rows) for rows in values))
    padded = torch.zeros(len(values), longest, values[0].shape[1])
    mask = torch.zeros(len(values), longest, dtype=torch.long)
    for row, rows in enumerate(values):
        padded[row, : len(rows)] = torch.from_numpy(rows.astype(np.float32))
        mask[row, : len(rows)] = 1
    return padded, mask
