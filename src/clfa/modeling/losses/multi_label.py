"""Loss of a target with any number of classes per sample: binary cross-entropy per class."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from clfa.modeling.losses.single_label import focal_factor


def multi_label_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    positive_weights: torch.Tensor | None = None,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Mean binary cross-entropy over samples and classes, with weighted positives and focal modulation.

    A positive costs ``w_c (1 - p)^gamma (-log p)``, a negative ``p^gamma (-log (1 - p))`` (Lin et al. 2017,
    arXiv:1708.02002, equation 5, with the weight on positives alone); with gamma 0 that is PyTorch's
    ``binary_cross_entropy_with_logits`` with ``pos_weight``.

    Args:
        logits: Class scores (N, C), N >= 1.
        labels: 1 where the sample has the class, else 0 (N, C).
        positive_weights: Weight of the positives of each class (C,); ``None``: all 1.
        gamma: How much decisions that are right already count less; 0: not at all.
        label_smoothing: Labels become ``label * (1 - smoothing) + smoothing / 2``.

    Returns:
        Scalar.
    """
    q = labels * (1 - label_smoothing) + label_smoothing / 2 if label_smoothing else labels
    if not gamma:
        return F.binary_cross_entropy_with_logits(logits, q, pos_weight=positive_weights)
    weights = logits.new_ones(logits.shape[-1]) if positive_weights is None else positive_weights
    p = logits.sigmoid()
    positive = weights * q * focal_factor(p, gamma) * -F.logsigmoid(logits)
    negative = (1 - q) * focal_factor(1 - p, gamma) * -F.logsigmoid(-logits)
    return (positive + negative).mean()
