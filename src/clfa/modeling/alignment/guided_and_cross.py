"""Alignment of each student with both embeddings of the guide."""

from __future__ import annotations

import torch

from clfa.modeling.alignment.base import Alignment, AlignmentInputs
from clfa.modeling.alignment.cross_guided import OTHER


class GuidedAndCrossAlignment(Alignment):
    """Mean of the paper's loss and of :class:`~clfa.modeling.alignment.cross_guided.CrossGuidedAlignment`."""

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """See :meth:`Alignment.forward`."""
        losses = {}
        for name in inputs.students:
            own, cross = self.pull(inputs, name, name), self.pull(inputs, name, OTHER[name])
            if own is not None and cross is not None:
                losses[name] = (own + cross) / 2
        return losses
