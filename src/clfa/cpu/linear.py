"""Linear layers that use oneDNN where PyTorch's own matrix product is slow: float32 on AMD processors with AVX-512."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

# Number of multiplications below which the overhead of Python is larger than the gain.
_WORTHWHILE = 2**22


@cache
def onednn_pays() -> bool:
    """Return whether oneDNN is faster for float32 matrix products on this machine.

    PyTorch uses Intel's MKL for them, which does not use its fastest kernels on processors of other makers. On two
    cores of a Zen 4, BERT's products take a fifth less time with oneDNN, which PyTorch includes for bfloat16. On a
    Zen 3, which has no AVX-512, MKL is faster: a training with frozen encoders takes a sixth less time with it.
    """
    info = Path("/proc/cpuinfo")
    return (
        torch.backends.mkl.is_available()
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
        and info.is_file()
        and "AuthenticAMD" in info.read_text(encoding="utf-8", errors="replace")
    )


def _product(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return ``left`` (..., K) times the transpose of ``right`` (N, K), plus ``bias`` -> (..., N)."""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")


class _OneDNNLinear(torch.autograd.Function):
    """The three products of a linear layer (forward pass and both gradients) with oneDNN."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight, for_bias = ctx.needs_input_grad
        rows = gradient.reshape(-1, gradient.shape[-1])
        return (
            _product(rows, weight.t()).view(x.shape) if for_x else None,
            _product(rows.t(), x.reshape(-1, x.shape[-1]).t()) if for_weight else None,
            rows.sum(0) if for_bias else None,
        )


def _in_bfloat16_without_gradients(x: torch.Tensor) -> bool:
    return (
        not torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and x.device.type == "cpu"
        and x.dim() > 1
        and x.numel() > 0
    )


class Linear(nn.Linear):
    """``torch.nn.Linear`` that uses oneDNN where it is faster (:func:`onednn_pays`). Results differ only by rounding.

    Attributes:
        packed: If set, computes the layer in bfloat16 without gradients, (..., in) -> (..., out);
            :func:`clfa.cpu.packed.packed_weights` sets it.

    Example:
        >>> Linear(3, 2)(torch.zeros(5, 3)).shape
        torch.Size([5, 2])
    """

    packed: Callable[[torch.Tensor], torch.Tensor] | None = None

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(..., in) -> (..., out)."""
        if self.packed is not None and _in_bfloat16_without_gradients(input):
            return self.packed(input)
        weight, bias = self.weight, self.bias
        if (
            input.device.type == "cpu"
            and input.dtype == weight.dtype == torch.float32
            and input.numel() * self.out_features >= _WORTHWHILE
            and onednn_pays()
            and not torch.is_autocast_enabled("cpu")
            and input.dim() > 1
            and input.numel()
            and not torch.compiler.is_compiling()
        ):
            if torch.is_grad_enabled() and any(
                part is not None and part.requires_grad for part in (input, weight, bias)
            ):
                return _OneDNNLinear.apply(input, weight, bias)
            return _product(input, weight, bias)
        return F.linear(input, weight, bias)


def exchange(module: nn.Module) -> None:
    """Turn a plain linear layer into a :class:`Linear`.

    Args:
        module: Any module; others are not changed.
    """
    if type(module) is nn.Linear:
        # Only the class changes, so that the layer keeps its parameters, hooks and names.
        module.__class__ = Linear
