"""Weights of linear layers, packed once for bfloat16 products on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from clfa.cpu.linear import Linear

# Number of weights below which packing gains nothing.
_WORTHWHILE = 2**16


class PackedWeights:
    """A layer's weights in bfloat16, in oneDNN's memory order.

    In each forward pass autocast copies every weight to bfloat16, and oneDNN reorders the copy. This does both once.

    Args:
        layer: A linear layer (in -> out) in float32 on a CPU.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().bfloat16())
        self._bias = None if layer.bias is None else layer.bias.detach().bfloat16()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the layer: (..., in) with at least two dimensions -> (..., out) in bfloat16."""
        return torch.ops.mkldnn._linear_pointwise(x.bfloat16(), self._weight, self._bias, "none", [], "")


def packing_pays() -> bool:
    """Return whether oneDNN supports bfloat16 products on this machine."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def packed_weights(model: nn.Module) -> Iterator[None]:
    """Let the larger linear layers of a model use packed weights, without gradients and under bfloat16 autocast.

    The packed weights take half as much memory as the model's own. The model's weights must not change in this context.

    Args:
        model: A model in float32 on a CPU; layers on other devices or of another dtype are not changed.
    """
    layers = [
        layer
        for layer in model.modules()
        if isinstance(layer, Linear)
        and layer.weight.device.type == "cpu"
        and layer.weight.dtype == torch.float32
        and layer.weight.numel() >= _WORTHWHILE
    ]
    try:
        if packing_pays():
            with torch.no_grad():
                for layer in layers:
                    layer.packed = PackedWeights(layer)
        yield
    finally:
        for layer in layers:
            layer.packed = None
