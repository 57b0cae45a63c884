"""Dropout that is not the slowest part of a small model on a CPU."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

_STEPS = 2**16


def keep_mask(like: torch.Tensor, p: float) -> torch.Tensor:
    """What to multiply by for dropout: 0, or what makes up for the zeros; drawn four elements to a random number.

    16 random bits decide on an element, so that the probability is the nearest multiple of 2^-16; what is kept is
    scaled by that one's complement, and the expectation is exact.

    Args:
        like: Not empty; gives shape and type.
        p: Probability of a zero, not so near to 1 that nothing is left.

    Returns:
        A tensor like ``like``.
    """
    dropped = round(p * _STEPS)
    words = torch.empty((like.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: like.numel()].view(like.shape)
    return (bits >= dropped - _STEPS // 2).to(like.dtype).mul_(_STEPS / (_STEPS - dropped))


class Dropout(nn.Dropout):
    """``torch.nn.Dropout``, by :func:`keep_mask` on a CPU.

    PyTorch draws one number per element there, which takes as long as the matrix products around it. Elsewhere it is
    PyTorch's own.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> round(Dropout(0.25)(torch.ones(100_000)).mean().item(), 1)
        1.0
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Any shape -> the same shape."""
        possible = 0 < round(self.p * _STEPS) < _STEPS
        if not self.training or not possible or input.device.type != "cpu" or not input.numel():
            return F.dropout(input, self.p, self.training)
        return input * keep_mask(input, self.p)


def exchange(module: nn.Module) -> None:
    """Make a plain dropout layer a :class:`Dropout`.

    Args:
        module: Any; all others are left alone.
    """
    if type(module) is nn.Dropout:
        # The class alone, so that hooks and settings are those the layer had.
        module.__class__ = Dropout
