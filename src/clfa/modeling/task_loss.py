"""The classification loss of a model: one term per target, over the samples that have a label for it."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.targets.single_label import single_label_loss
from clfa.targets.target import label_slices, logit_slices


class TaskLoss(nn.Module):
    """Weighted sum of the targets' losses; the cross-entropy alone where the model has the one default label.

    Args:
        config: Of the model; its ``targets``, ``class_weights``, ``focal_gamma`` and ``label_smoothing`` count.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, logits: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor] | None]:
        """Loss of a batch of B samples.

        Args:
            logits: Outputs of the classifier (B, sum of logit widths).
            labels: Class indices (B,); with targets their flat vectors (B, sum of widths), NaN where missing, or (B,)
                for a single target of width 1.

        Returns:
            The sum, scalar, and each target's unweighted loss by name; ``None`` for the default label. A target that no
            sample of the batch has a label for is left out.
        """
        logits = logits.float() if logits.dtype != torch.float64 else logits
        smoothing = float(self.config.label_smoothing) if self.training else 0.0
        if self.config.targets is None:
            weights = _tensor(self.config.class_weights, logits)
            return single_label_loss(logits, labels, weights, float(self.config.focal_gamma), smoothing), None
        targets = self.config.target_list
        values = labels.reshape(len(labels), -1).to(logits.dtype)
        # Zero, yet with a gradient for every parameter where a batch has no label at all.
        total = logits.sum() * 0
        losses: dict[str, torch.Tensor] = {}
        for (target, outputs), (_, inputs) in zip(logit_slices(targets), label_slices(targets), strict=True):
            own = values[:, inputs]
            present = ~own.isnan().any(dim=1)
            if present.any():
                gamma = float(self.config.focal_gamma)
                losses[target.name] = target.kind.loss(logits[present, outputs], own[present], gamma, smoothing)
                total = total + target.weight * losses[target.name]
        return total, losses


def _tensor(weights: tuple[float, ...] | list[float] | None, like: torch.Tensor) -> torch.Tensor | None:
    return None if weights is None else like.new_tensor(weights)
