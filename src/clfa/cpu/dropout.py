"""Fast dropout on a CPU."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

_STEPS = 2**16


def keep_mask(like: torch.Tensor, p: float) -> torch.Tensor:
    """Draw a dropout mask: 0 for dropped elements, ``1 / (1 - p)`` for the others.

    One random number gives the masks of four elements, 16 bits each. ``p`` is therefore rounded to the nearest multiple
    of 2^-16; the scale uses the rounded value, so that the expectation is exact.

    Args:
        like: A tensor that gives shape and dtype; not empty.
        p: Probability of a zero; must not round to 1.

    Returns:
        A tensor with the shape and dtype of ``like``.
    """
    dropped = round(p * _STEPS)
    words = torch.empty((like.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    bits = words.view(torch.int16)[: like.numel()].view(like.shape)
    return (bits >= dropped - _STEPS // 2).to(like.dtype).mul_(_STEPS / (_STEPS - dropped))


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` that uses :func:`keep_mask` on a CPU.

    PyTorch draws one random number per element on a CPU, which takes as long as the matrix products around it. On other
    devices PyTorch's own dropout is used.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> round(Dropout(0.25)(torch.ones(100_000)).mean().item(), 1)
        1.0
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Apply dropout to a tensor of any shape."""
        possible = 0 < round(self.p * _STEPS) < _STEPS
        if not self.training or not possible or input.device.type != "cpu" or not input.numel():
            return F.dropout(input, self.p, self.training)
        return input * keep_mask(input, self.p)


def exchange(module: nn.Module) -> None:
    """Turn a plain dropout layer into a :class:`Dropout`.

    Args:
        module: Any module; others are not changed.
    """
    if type(module) is nn.Dropout:
        # Only the class changes, so that the layer keeps its hooks and settings.
        module.__class__ = Dropout
