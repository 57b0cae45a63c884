"""Alignment of each student with the guide's embedding of the other modality."""

from __future__ import annotations

import torch

from clfa.modeling.alignment.base import Alignment, AlignmentInputs

OTHER = {"text": "image", "image": "text"}


class CrossGuidedAlignment(Alignment):
    """Text student to the guide's image embedding of the same sample, image student to its text embedding.

    Not in the paper. Each student has to predict the guide's view of the other modality.
    """

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """See :meth:`Alignment.forward`."""
        losses = {name: self.pull(inputs, name, OTHER[name]) for name in inputs.students}
        return {name: loss for name, loss in losses.items() if loss is not None}
