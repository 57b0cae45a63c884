"""The paper's readout: the classifier on the pooled vector, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from clfa.modeling.readout.base import Readout, Student


class PooledReadout(Readout):
    """Logits of the classifier, unchanged (CLFA, arXiv:2403.06355); no parameters."""

    def forward(self, logits: torch.Tensor, students: Mapping[str, Student]) -> torch.Tensor:
        """See :meth:`Readout.forward`."""
        return logits
