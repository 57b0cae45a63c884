"""The paper's readout: the classifier sees the pooled vector of the fused tokens and nothing else."""

from __future__ import annotations

import torch

from clfa.modeling.readout.base import AlignedPair, Readout


class PooledReadout(Readout):
    """Leave the logits unchanged (CLFA, section 3.4)."""

    def forward(self, logits: torch.Tensor, pair: AlignedPair | None) -> tuple[torch.Tensor, None]:
        """See :meth:`Readout.forward`."""
        return logits, None
