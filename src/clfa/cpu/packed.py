"""Weights of linear layers held in the form that a CPU's bfloat16 products read, while they do not change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from clfa.cpu.linear import Linear

# Weights below which nothing is to be gained.
_WORTHWHILE = 2**16


class PackedWeights:
    """A layer's weights in bfloat16, in the order in which oneDNN reads them.

    Autocast makes a bfloat16 copy of every weight in each forward pass, and oneDNN reorders it; this does both once.

    Args:
        layer: A linear layer (in -> out) in float32 on a CPU.
    """

    def __init__(self, layer: nn.Linear) -> None:
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach().bfloat16())
        self._bias = None if layer.bias is None else layer.bias.detach().bfloat16()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(..., in), at least two dimensions -> (..., out) in bfloat16."""
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x.bfloat16(), self._weight, self._bias, "none", [], "")
        return found


def packing_pays() -> bool:
    """Whether this machine multiplies in bfloat16 by oneDNN."""
    return torch.backends.mkldnn.is_available() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@contextmanager
def packed_weights(model: nn.Module) -> Iterator[None]:
    """Within, larger linear layers of a model read packed weights, without gradients and under bfloat16 autocast.

    They take half as much memory as the model's own. The model's weights must not change meanwhile.

    Args:
        model: In float32 on a CPU; layers elsewhere or of another type are left alone.
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
