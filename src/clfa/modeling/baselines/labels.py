"""Labels as losses over classes need them, whatever the task is."""

from __future__ import annotations

import torch

from clfa.modeling.configuration import CLFAConfig


def class_indices(config: CLFAConfig, labels: torch.Tensor) -> torch.Tensor | None:
    """The one class of every sample.

    Args:
        config: Tells what the labels are.
        labels: Class indices (B,), or flat vectors of targets (B, L).

    Returns:
        Class indices (B,), -1 for a sample without a label; ``None`` when the model predicts several targets, sets of
        classes or a number.
    """
    if config.targets is None:
        return labels
    if len(config.target_list) != 1 or not config.target_list[0].kind.one_class:
        return None
    return labels.reshape(len(labels)).double().nan_to_num(nan=-1.0).long()
