"""The classification loss of a model: one term per target, over the samples that have a label for it."""

from __future__ import annotations

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.targets.target import label_slices, logit_slices


class TaskLoss(nn.Module):
    """Weighted sum of the targets' losses.

    Args:
        config: Of the model; its targets, ``focal_gamma`` and ``label_smoothing`` count.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, logits: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Loss of a batch of B samples.

        Args:
            logits: Outputs of the classifier (B, sum of logit widths).
            labels: Flat vectors of the targets (B, sum of widths), NaN where missing; (B,) for a single target of width
                1, for instance class indices.

        Returns:
            The sum, scalar, and each target's unweighted loss by name. A target that no sample of the batch has a label
            for is left out.
        """
        logits = logits.float() if logits.dtype != torch.float64 else logits
        smoothing = float(self.config.label_smoothing) if self.training else 0.0
        gamma = float(self.config.focal_gamma)
        targets = self.config.target_list
        values = labels.reshape(len(labels), -1).to(logits.dtype)
        losses: dict[str, torch.Tensor] = {}
        terms: list[torch.Tensor] = []
        for (target, outputs), (_, inputs) in zip(logit_slices(targets), label_slices(targets), strict=True):
            own = values[:, inputs]
            present = ~own.isnan().any(dim=1)
            if present.any():
                loss = target.kind.loss(logits[present, outputs], own[present], gamma, smoothing)
                losses[target.name] = loss
                terms.append(target.weight * loss)
        if not terms:
            # Zero, yet with a gradient for every parameter.
            return logits.sum() * 0, losses
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total, losses
