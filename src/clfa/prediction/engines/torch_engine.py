"""What computes a batch's predictions: PyTorch here, or another runtime with the same two lines of interface."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal, Protocol

import numpy as np
import torch

from clfa.cpu import busy
from clfa.devices import best_device, resolve_precision
from clfa.modeling import CLFAConfig, CLFAForClassification

Precision = Literal["auto", "fp32", "bf16"]


class Engine(Protocol):
    """Runs a model on prepared batches.

    Attributes:
        config: Shape and labels of the model.
        fingerprint: Hexadecimal digest of all that decides its outputs: weights, configuration, precision.
    """

    config: CLFAConfig

    @property
    def fingerprint(self) -> str:
        """See the class."""

    def busy(self) -> AbstractContextManager[None]:
        """Within, many batches follow each other, and what takes time once and makes each quicker pays."""

    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """Logits (B, L) and fused vectors (B, ``hidden_size``), float32, of a batch as the processor makes it."""


class TorchEngine:
    """The model in PyTorch, on the GPU when there is one.

    Args:
        model: The model.
        precision: ``fp32``, ``bf16`` for matrix products in bfloat16, or ``auto``; see
            :func:`clfa.devices.resolve_precision`.
        device: Where to compute, for instance ``cuda:1``; :func:`clfa.devices.best_device` when not given.
    """

    def __init__(self, model: CLFAForClassification, precision: Precision = "fp32", device: str | None = None) -> None:
        self.device: str = device or best_device()
        self.model: Any = model.eval().to(self.device)
        self.config: CLFAConfig = self.model.config
        self.precision = resolve_precision(precision)

    @property
    def fingerprint(self) -> str:
        """Digest of weights, configuration and precision."""
        digest = hashlib.blake2b(f"torch {self.precision} {config_text(self.config)}".encode(), digest_size=16)
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def busy(self) -> AbstractContextManager[None]:
        """See :class:`Engine`."""
        lower = self.precision == "bf16" and self.device == "cpu"
        return busy(self.model if lower else None)

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        """See :class:`Engine`."""
        kind = torch.device(self.device).type
        with torch.autocast(kind, torch.bfloat16) if self.precision == "bf16" else nullcontext():
            output = self.model(**{name: tensor.to(self.device) for name, tensor in inputs.items()})
        return output.logits.float().cpu().numpy(), output.pooler_output.float().cpu().numpy()


def config_text(config: CLFAConfig) -> str:
    """A configuration as text that is equal for equal models, wherever they were loaded from."""
    content = json.loads(config.to_json_string(use_diff=False))
    for name in ("_name_or_path", "transformers_version", "dtype"):
        content.pop(name, None)
    return json.dumps(content, sort_keys=True)
