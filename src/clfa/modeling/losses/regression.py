"""Loss of a numeric target: squared error of the standardised value."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def regression_loss(logits: torch.Tensor, values: torch.Tensor, mean: float = 0.0, sd: float = 1.0) -> torch.Tensor:
    """Mean squared error between the output and ``(value - mean) / sd``, so that targets of any unit weigh alike.

    Args:
        logits: Outputs (N,), in standard deviations from the mean, N >= 1.
        values: In the user's unit (N,).
        mean: Of the training values.
        sd: Their standard deviation.

    Returns:
        Scalar.
    """
    return F.mse_loss(logits, (values - mean) / sd)
