"""Focal modulation of a loss (Lin et al. 2017, arXiv:1708.02002)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def focal_factor(p: torch.Tensor, gamma: float) -> torch.Tensor:
    """Return ``(1 - p)^gamma``, with ``1 - p`` above 0, because the gradient at 0 is not finite for gamma below 1.

    Args:
        p: Probability of the correct decision, any shape.
        gamma: Focusing parameter; larger values reduce the loss of well classified samples more.
    """
    import torch

    return (1 - p).clamp_min(torch.finfo(p.dtype).tiny) ** gamma
