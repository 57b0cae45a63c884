"""The paper's alignment of each student with the guide's embedding of its own modality."""

from __future__ import annotations

import torch

from clfa.modeling.alignment.base import Alignment, AlignmentInputs


class GuidedAlignment(Alignment):
    """Text student to the guide's text embedding, image student to its image embedding (CLFA, section 3.3)."""

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """See :meth:`Alignment.forward`."""
        losses = {name: self.pull(inputs, name, name) for name in inputs.students}
        return {name: loss for name, loss in losses.items() if loss is not None}
