"""Convolutional encoders on a few pictures at a time, channels last."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

# Pictures at a time: activations of more no longer fit into a processor's caches.
_PICTURES = 8


def exchange(module: nn.Module) -> None:
    """Make a convolutional vision encoder of Transformers compute by :func:`forward_in_parts`.

    Args:
        module: Any; one that is something else, or whose ``forward`` was exchanged before, is left alone.
    """
    if isinstance(module, PreTrainedModel) and _is_convolutional(module) and "forward" not in vars(module):
        vars(module)["forward"] = partial(forward_in_parts, module)


def _is_convolutional(encoder: PreTrainedModel) -> bool:
    return encoder.main_input_name == "pixel_values" and not any(
        hasattr(encoder.config, name) for name in ("num_attention_heads", "num_heads")
    )


def forward_in_parts(encoder: PreTrainedModel, *args: Any, **kwargs: Any) -> Any:
    """The encoder's own ``forward``; pictures on a CPU go through it channels last and eight at a time.

    Args:
        encoder: A convolutional encoder.
        args: As for the encoder; with anything but ``pixel_values`` (B, C, H, W) by name it is called as it is.
        kwargs: The same.

    Returns:
        What the encoder returns.
    """
    plain = partial(type(encoder).forward, encoder)
    pixels = kwargs.get("pixel_values")
    if args or len(kwargs) != 1 or pixels is None or pixels.device.type != "cpu" or torch.compiler.is_compiling():
        return plain(*args, **kwargs)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    # Batch statistics are of the whole batch.
    if encoder.training or len(pixels) <= _PICTURES:
        return plain(pixel_values=pixels)
    return _joined([plain(pixel_values=part) for part in pixels.split(_PICTURES)])


def _joined(parts: list[Any]) -> Any:
    """Outputs of consecutive pictures as one."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts)
    if isinstance(first, ModelOutput):
        return type(first)(**{name: _joined([part[name] for part in parts]) for name in first})
    return type(first)(_joined(list(each)) for each in zip(*parts, strict=True))
