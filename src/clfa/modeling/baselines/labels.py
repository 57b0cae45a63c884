"""Class indices and number of classes for losses over classes."""

from __future__ import annotations

import torch

from clfa.modeling.configuration import CLFAConfig


def class_indices(config: CLFAConfig, labels: torch.Tensor) -> torch.Tensor | None:
    """Return the class of every sample.

    Args:
        config: Configuration with the targets of the labels.
        labels: Class indices (B,), or flat vectors of targets (B, L).

    Returns:
        Class indices (B,), -1 for a sample without a label; ``None`` when the model predicts several targets, sets of
        classes or a number.
    """
    targets = config.target_list
    if len(targets) != 1 or not targets[0].kind.one_class:
        return None
    return labels.reshape(len(labels)).double().nan_to_num(nan=-1.0).long()


def class_count(config: CLFAConfig) -> int:
    """Return the number of classes of :func:`class_indices`; without classes, of the classifier's outputs."""
    targets = config.target_list
    alone = len(targets) == 1 and targets[0].kind.one_class
    return len(targets[0].label_names) if alone else len(config.label_names)
