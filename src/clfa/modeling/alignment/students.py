"""Alignment of the two students with each other, without a guide."""

from __future__ import annotations

from typing import ClassVar

import torch

from clfa.modeling.alignment.base import Alignment, AlignmentInputs


class StudentsAlignment(Alignment):
    """Symmetric InfoNCE between the text and image students of a batch, as in CLIP itself (Radford et al. 2021).

    Gradients flow into both. The loss is split evenly between the two entries, so that their sum is CLIP's.
    """

    needs_guide: ClassVar[bool] = False

    def forward(self, inputs: AlignmentInputs) -> dict[str, torch.Tensor]:
        """See :meth:`Alignment.forward`."""
        if not {"text", "image"} <= inputs.students.keys():
            return {}
        text, image = inputs.students["text"], inputs.students["image"]
        rows = inputs.rows("text", "image")
        if rows is not None:
            text, image = text[rows], image[rows]
        # The loss detaches its second argument; half of each direction trains both students.
        return {"text": self.contrast(text, image) / 2, "image": self.contrast(image, text) / 2}
