"""Samples of differing length to one batch, padded to its longest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass
class CLFACollator:
    """Pad and stack.

    Args:
        pad_token_id: The tokenizer's.

    Example:
        >>> batch = CLFACollator()([{"input_ids": [1, 2, 3], "labels": 0}, {"input_ids": [4], "labels": 1}])
        >>> batch["attention_mask"].tolist()
        [[1, 1, 1], [1, 0, 0]]
    """

    pad_token_id: int = 0

    def __call__(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        """B samples -> tensors by the names of :meth:`clfa.modeling.CLFAModel.forward`."""
        batch: dict[str, torch.Tensor] = {}
        for name in samples[0]:
            values = [sample[name] for sample in samples]
            if name == "input_ids":
                batch["input_ids"], batch["attention_mask"] = self._pad_ids(values)
            elif name == "knowledge_input_ids":
                # A batch without any knowledge carries none, so that the model does no work for it.
                if any(len(ids) for ids in values):
                    batch[name], batch["knowledge_attention_mask"] = self._pad_ids(values)
            elif name == "text_features":
                batch[name], batch["attention_mask"] = _pad_rows(values)
            elif name == "labels":
                batch[name] = torch.from_numpy(np.asarray(values))
            elif isinstance(values[0], torch.Tensor):
                batch[name] = torch.stack(values)
            else:
                batch[name] = torch.from_numpy(np.stack(values).astype(np.float32, copy=False))
        return batch

    def _pad_ids(self, values: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        longest = max(len(ids) for ids in values)
        padded = torch.full((len(values), longest), self.pad_token_id)
        mask = torch.zeros_like(padded)
        for row, ids in enumerate(values):
            padded[row, : len(ids)] = torch.tensor(ids, dtype=torch.long)
            mask[row, : len(ids)] = 1
        return padded, mask


def _pad_rows(values: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    longest = max(len(rows) for rows in values)
    padded = torch.zeros(len(values), longest, values[0].shape[1])
    mask = torch.zeros(len(values), longest, dtype=torch.long)
    for row, rows in enumerate(values):
        padded[row, : len(rows)] = torch.from_numpy(rows.astype(np.float32))
        mask[row, : len(rows)] = 1
    return padded, mask
