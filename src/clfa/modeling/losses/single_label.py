"""Loss of a target with one class per sample: cross-entropy, weighted and focused at will."""

from __future__ import annotations

import torch
from torch.nn import functional as F


def single_label_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    class_weights: torch.Tensor | None = None,
    gamma: float = 0.0,
    label_smoothing: float = 0.0,
) -> torch.Tensor:
    """Cross-entropy with class weights, focal modulation and label smoothing.

    With q the smoothed one-hot label, w the weights and y the label:
    ``sum_nc q_nc w_c (1 - p_nc)^gamma (-log p_nc) / sum_n w_y(n)``. Without smoothing that is the alpha-balanced focal
    loss (Lin et al. 2017, arXiv:1708.02002, equation 5) as a weighted mean; with gamma 0 it is PyTorch's weighted
    cross-entropy.

    Args:
        logits: Class scores (N, C), N >= 1.
        labels: Class indices (N,).
        class_weights: Weight of each class (C,); ``None``: all 1.
        gamma: How much samples that are classified well already count less; 0: not at all.
        label_smoothing: Share of the label spread evenly over all classes.

    Returns:
        Scalar.
    """
    if not gamma:
        return F.cross_entropy(logits, labels, class_weights, label_smoothing=label_smoothing)
    log_p = logits.log_softmax(dim=-1)
    classes = logits.shape[-1]
    q = F.one_hot(labels, classes).to(log_p.dtype) * (1 - label_smoothing) + label_smoothing / classes
    weights = logits.new_ones(classes) if class_weights is None else class_weights
    terms = q * weights * focal_factor(log_p.exp(), gamma) * -log_p
    return terms.sum() / weights[labels].sum()


def focal_factor(p: torch.Tensor, gamma: float) -> torch.Tensor:
    """``(1 - p)^gamma``, kept off 0 where its gradient is not finite for gamma below 1."""
    return (1 - p).clamp_min(torch.finfo(p.dtype).tiny) ** gamma
