"""Patch embeddings as a matrix product."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class PatchConv2d(nn.Conv2d):
    """``torch.nn.Conv2d`` that computes non-overlapping patches, as in vision transformers, as a linear layer.

    PyTorch's convolutions on a CPU are optimised for small kernels. For ViT-B/32's patch embedding of eight images, the
    forward and backward pass takes 119 ms in bfloat16 and 31 ms in float32 as a convolution, 6 and 15 ms as a matrix
    product (two cores with AMX; ``python -m benchmarks levers`` measures whole steps). Results differ only by rounding.

    Example:
        >>> PatchConv2d(3, 8, 4, stride=4)(torch.zeros(2, 3, 12, 16)).shape
        torch.Size([2, 8, 3, 4])
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Convolve (B, C, H, W) -> (B, D, H / kernel, W / kernel), rounded down."""
        if not self._cuts_patches(input):
            return super().forward(input)
        (height, width), batch = self.kernel_size, len(input)
        rows, columns = input.shape[2] // height, input.shape[3] // width
        whole = input[:, :, : rows * height, : columns * width]
        patches = whole.unflatten(2, (rows, height)).unflatten(4, (columns, width)).permute(0, 2, 4, 1, 3, 5)
        found = F.linear(patches.reshape(batch, rows, columns, -1), self.weight.flatten(1), self.bias)
        return found.permute(0, 3, 1, 2)

    def _cuts_patches(self, input: torch.Tensor) -> bool:
        return (
            input.device.type == "cpu"
            and input.dim() == 4
            and min(self.kernel_size) > 1
            and self.kernel_size == self.stride
            and self.padding in ((0, 0), "valid")
            and self.dilation == (1, 1)
            and self.groups == 1
            and all(size >= patch for size, patch in zip(input.shape[2:], self.kernel_size, strict=True))
            and not torch.compiler.is_compiling()
        )


def exchange(module: nn.Module) -> None:
    """Turn a plain two-dimensional convolution into a :class:`PatchConv2d`.

    Args:
        module: Any module; others are not changed.
    """
    if type(module) is nn.Conv2d:
        # Only the class changes, so that the layer keeps its parameters, hooks and names.
        module.__class__ = PatchConv2d
