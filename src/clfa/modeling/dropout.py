"""Dropout that is not the slowest part of a small model on a CPU."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

_STEPS = 2**16


class Dropout(nn.Dropout):
    """``torch.nn.Dropout``, drawn four elements to a random number on a CPU.

    PyTorch draws one number per element there, which takes as long as the matrix products around it. Here 16 random
    bits decide on an element, so that the probability is the nearest multiple of 2^-16; what is kept is scaled by that
    one's complement, and the expectation is exact. Elsewhere it is PyTorch's own.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> round(Dropout(0.25)(torch.ones(100_000)).mean().item(), 1)
        1.0
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape."""
        dropped = round(self.p * _STEPS)
        possible = 0 < dropped < _STEPS
        if not self.training or not possible or input.device.type != "cpu" or not input.numel():
            return F.dropout(input, self.p, self.training)
        words = torch.empty((input.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        bits = words.view(torch.int16)[: input.numel()].view(input.shape)
        keep = (bits >= dropped - _STEPS // 2).to(input.dtype)
        return input * keep.mul_(_STEPS / (_STEPS - dropped))
