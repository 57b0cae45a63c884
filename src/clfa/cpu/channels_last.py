"""Convolutional encoders on a few images at a time, in the channels-last memory format."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

# Images at a time: the activations of more images do not fit into the processor's caches.
_PICTURES = 8


def exchange(module: nn.Module) -> None:
    """Replace the ``forward`` of a convolutional vision encoder of Transformers by :func:`forward_in_parts`.

    Args:
        module: Any module; others, and encoders whose ``forward`` was replaced before, are not changed.
    """
    if isinstance(module, PreTrainedModel) and _is_convolutional(module) and "forward" not in vars(module):
        vars(module)["forward"] = partial(forward_in_parts, module)


def _is_convolutional(encoder: PreTrainedModel) -> bool:
    return encoder.main_input_name == "pixel_values" and not any(
        hasattr(encoder.config, name) for name in ("num_attention_heads", "num_heads")
    )


def forward_in_parts(encoder: PreTrainedModel, *args: Any, **kwargs: Any) -> Any:
    """Call the encoder's own ``forward`` with images in channels-last format, eight at a time, on a CPU.

    Args:
        encoder: A convolutional encoder.
        args: Positional arguments of the encoder. With any argument other than the keyword ``pixel_values``
            (B, C, H, W), the encoder's ``forward`` is called unchanged.
        kwargs: Keyword arguments of the encoder.

    Returns:
        The encoder's output.
    """
    plain = partial(type(encoder).forward, encoder)
    pixels = kwargs.get("pixel_values")
    if args or len(kwargs) != 1 or pixels is None or pixels.device.type != "cpu" or torch.compiler.is_compiling():
        return plain(*args, **kwargs)
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    # In training, batch statistics need the whole batch.
    if encoder.training or len(pixels) <= _PICTURES:
        return plain(pixel_values=pixels)
    return _joined([plain(pixel_values=part) for part in pixels.split(_PICTURES)])


def _joined(parts: list[Any]) -> Any:
    """Concatenate the outputs of consecutive parts."""
    first = parts[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(parts)
    if isinstance(first, ModelOutput):
        return type(first)(**{name: _joined([part[name] for part in parts]) for name in first})
    return type(first)(_joined(list(each)) for each in zip(*parts, strict=True))
