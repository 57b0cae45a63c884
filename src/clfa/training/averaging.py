"""Exponential moving average of the trained weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from clfa.files import save_tensors

TRAINED_WEIGHTS_FILE = "trained_weights.safetensors"


class WeightAverage(TrainerCallback):
    """Exponential moving average of all trainable parameters, for evaluation and for the kept model.

    At step t the decay is ``min(decay, t / (t + 10))``, so that the influence of the initial weights decreases quickly.

    Args:
        decay: Per optimiser step, at least 0 and below 1.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averages: dict[str, torch.Tensor] = {}
        self.trained: dict[str, torch.Tensor] = {}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Update the averages after an optimiser step."""
        self.update(kwargs["model"], state.global_step)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Update the averages with the model's weights.

        Args:
            model: The model being trained.
            step: Number of the optimiser step, from 1.
        """
        share = 1 - min(self.decay, step / (step + 10))
        for name, parameter in _trainable(model):
            if name in self.averages:
                self.averages[name].lerp_(parameter.detach().float(), share)
            else:
                self.averages[name] = parameter.detach().float().clone()

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Put the averaged weights into the model within a ``with`` block, and the trained weights back after it."""
        if self.trained or not self.averages:
            yield
            return
        self.trained = {name: parameter.detach().clone() for name, parameter in _trainable(model)}
        self._put(model, self.averages)
        try:
            yield
        finally:
            self._put(model, self.trained)
            self.trained = {}

    def save_trained(self, checkpoint: Path) -> None:
        """Write the trained weights to a checkpoint with averaged weights; call within :meth:`applied`."""
        weights = {name: tensor.contiguous() for name, tensor in self.trained.items()}
        save_tensors(checkpoint / TRAINED_WEIGHTS_FILE, weights)

    def resume(self, model: nn.Module, checkpoint: Path) -> None:
        """Resume training: take the averages from a model loaded from ``checkpoint``, and load the trained weights."""
        path = checkpoint / TRAINED_WEIGHTS_FILE
        if path.is_file():
            self.averages = {name: parameter.detach().float().clone() for name, parameter in _trainable(model)}
            self._put(model, load_file(path))

    @staticmethod
    @torch.no_grad()
    def _put(model: nn.Module, weights: dict[str, torch.Tensor]) -> None:
        for name, parameter in _trainable(model):
            parameter.copy_(weights[name])


def _trainable(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
