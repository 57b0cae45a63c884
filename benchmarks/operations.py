"""Floating-point operations of what PyTorch is asked to compute, with the fused operations that clfa uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


def _linear(x: Sequence[int], weight: Sequence[int], *rest: Any, **shapes: Any) -> int:
    return 2 * math.prod(x) * weight[0]


def _convolution(x: Sequence[int], weight: Sequence[int], *rest: Any, out_shape: Sequence[int], **shapes: Any) -> int:
    # The weights of grouped convolutions may have one dimension more; their number is the same.
    return 2 * math.prod(weight) * math.prod(out_shape) // out_shape[1]


# What the counter has to be told of.
_FUSED = {
    getattr(torch.ops.mkldnn, name): count
    for name, count in (("_linear_pointwise", _linear), ("_convolution_pointwise", _convolution))
    if hasattr(torch.ops.mkldnn, name)
}


def operations(work: Callable[[], Any]) -> int:
    """Count the matrix operations of ``work``; a multiplication and an addition are two."""
    with FlopCounterMode(display=False, custom_mapping=_FUSED) as counter:
        work()
    return int(counter.get_total_flops())
