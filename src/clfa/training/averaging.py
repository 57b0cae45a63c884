"""Exponential moving average of the trained weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

TRAINED_WEIGHTS_FILE = "trained_weights.safetensors"


class WeightAverage(TrainerCallback):
    """Average of every trainable parameter over the steps, for evaluation and for what is kept.

    At step t the average moves by ``1 - min(decay, t / (t + 10))`` of the way to the weights, so that the random start
    is soon forgotten.

    Args:
        decay: Per optimiser step, at least 0 and below 1.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.averages: dict[str, torch.Tensor] = {}
        self.trained: dict[str, torch.Tensor] = {}

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Called by the Trainer after each optimiser step."""
        self.update(kwargs["model"], state.global_step)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the averages toward the model's weights.

        Args:
            model: The model being trained.
            step: Optimiser steps done, counted from 1.
        """
        share = 1 - min(self.decay, step / (step + 10))
        for name, parameter in _trainable(model):
            if name in self.averages:
                self.averages[name].lerp_(parameter.detach().float(), share)
            else:
                self.averages[name] = parameter.detach().float().clone()

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """The model with averaged weights inside the block, with the trained ones again after it."""
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
        """Write the trained weights beside the averaged ones of a checkpoint; call within :meth:`applied`."""
        temporary = checkpoint / f".{TRAINED_WEIGHTS_FILE}.tmp"
        save_file({name: tensor.contiguous() for name, tensor in self.trained.items()}, temporary)
        os.replace(temporary, checkpoint / TRAINED_WEIGHTS_FILE)

    def resume(self, model: nn.Module, checkpoint: Path) -> None:
        """Take the averages from a model just loaded from ``checkpoint``, then put the trained weights into it."""
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
