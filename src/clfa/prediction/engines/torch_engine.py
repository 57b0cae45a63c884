"""The engine that runs PyTorch in this process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clfa.cpu import busy
from clfa.devices import best_device, resolve_precision
from clfa.modeling import CLFAConfig, CLFAForClassification
from clfa.modeling.readout import READOUTS
from clfa.prediction.engines.base import Engine, Precision, RuntimeOutput
from clfa.pretrained import pretrained_model
from clfa.processing.processor import CLFAProcessor
from clfa.runs.run_folder import RunFolder, is_run_folder
from clfa.runs.trained import load_trained


class TorchRuntime:
    """Run the model with PyTorch, on a GPU if there is one.

    Args:
        model: The model.
        precision: ``fp32``, ``bf16`` for matrix products in bfloat16, or ``auto``; see
            :func:`clfa.devices.resolve_precision`.
        device: Where to compute, for instance ``cuda:1``; :func:`clfa.devices.best_device` when not given.
    """

    several_images = True

    def __init__(self, model: CLFAForClassification, precision: Precision = "fp32", device: str | None = None) -> None:
        self.device: str = device or best_device()
        self.model: Any = model.eval().to(self.device)
        self.config: CLFAConfig = self.model.config
        self.precision = resolve_precision(precision)
        self.has_agreement: bool = READOUTS.get(self.config.readout).compares

    @property
    def fingerprint(self) -> str:
        """Return the digest of weights, configuration and precision."""
        digest = hashlib.blake2b(f"torch {self.precision} {config_text(self.config)}".encode(), digest_size=16)
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def busy(self) -> AbstractContextManager[None]:
        """See :class:`clfa.prediction.engines.base.Runtime`."""
        lower = self.precision == "bf16" and self.device == "cpu"
        return busy(self.model if lower else None)

    @torch.inference_mode()
    def __call__(self, inputs: Mapping[str, np.ndarray]) -> RuntimeOutput:
        """See :class:`clfa.prediction.engines.base.Runtime`."""
        with self._autocast():
            output = self.model(**self._tensors(inputs))
        return RuntimeOutput(
            _array(output.logits),
            _array(output.pooler_output),
            None if output.agreement is None else _array(output.agreement),
        )

    @torch.inference_mode()
    def encode(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return a batch with the encoders' outputs in the place of ids and pixels; the model answers the same on both.

        Args:
            inputs: A batch from the processor; with features in the place of some ids or pixels, these stay.
        """
        known = signature(self.model.clfa.encode).parameters
        with self._autocast():
            encoded = self.model.clfa.encode(**self._tensors({k: v for k, v in inputs.items() if k in known}))
        found = {name: array for name, array in inputs.items() if name not in known}
        for name, tensor in encoded.items():
            if tensor is not None:
                found[name] = _array(tensor) if tensor.is_floating_point() else tensor.cpu().numpy()
        return found

    def _autocast(self) -> AbstractContextManager[Any]:
        kind = torch.device(self.device).type
        return torch.autocast(kind, torch.bfloat16) if self.precision == "bf16" else nullcontext()

    def _tensors(self, inputs: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(array).to(self.device) for name, array in inputs.items()}


class TorchEngine(Engine):
    """PyTorch in this process."""

    name = "torch"

    def load(self, path: str, precision: Precision) -> tuple[TorchRuntime, CLFAProcessor]:
        """See :class:`clfa.prediction.engines.base.Engine`."""
        if is_run_folder(Path(path)):
            model, processor = load_trained(RunFolder(path).finished())
        else:
            model = pretrained_model(CLFAForClassification, path)
            processor = CLFAProcessor.from_pretrained(path)
        return TorchRuntime(model, precision), processor


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.float().cpu().numpy()


def config_text(config: CLFAConfig) -> str:
    """Return a configuration as text that does not depend on where the model was loaded from."""
    content = json.loads(config.to_json_string(use_diff=False))
    for name in ("_name_or_path", "transformers_version", "dtype"):
        content.pop(name, None)
    return json.dumps(content, sort_keys=True)
