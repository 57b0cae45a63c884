"""Focal modulation of a loss (Lin et al. 2017, arXiv:1708.02002)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def focal_factor(p: torch.Tensor, gamma: float) -> torch.Tensor:
    """``(1 - p)^gamma``, kept off 0 where its gradient is not finite for gamma below 1.

    Args:
        p: Probability of what is right, any shape.
        gamma: How much decisions that are right already count less.
    """
    import torch

    return (1 - p).clamp_min(torch.finfo(p.dtype).tiny) ** gamma
