"""The blend of several networks, a linear map, and the agreement of text and image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.encoders import encoder_width
from clfa.modeling.wide import WideBranch


class Blend(nn.Module):
    """``wide(x) + a w + b + sum over the members m of scale_m * logits_m(x)``: for classes a product of experts.

    The agreement a of text and image, the mean over the members, takes part with ``blend_agreement``. It adds nothing
    where text or image is missing.

    Weights are those of the logarithms of probabilities (a logarithmic opinion pool: Heskes 1998, NIPS 10), so that
    linear models can be folded into one map.

    Args:
        config: ``num_members``, ``wide``, ``num_terms`` and ``blend_agreement`` of it.
    """

    def __init__(self, config: CLFAConfig) -> None:
        super().__init__()
        outputs = len(config.label_names)
        self.scale: torch.Tensor
        self.register_buffer("scale", torch.full((config.num_members, outputs), 1 / config.num_members))
        self.wide = WideBranch(outputs, wide_widths(config), config.num_terms) if config.wide else None
        self.reads_agreement = config.blend_agreement
        if self.reads_agreement:
            self.register_buffer("agreement_weight", torch.zeros(outputs))
            self.register_buffer("agreement_bias", torch.zeros(outputs))

    def forward(
        self,
        logits: Sequence[torch.Tensor],
        encoded: Mapping[str, torch.Tensor | None],
        present: Mapping[str, torch.Tensor | None],
        term_ids: torch.Tensor | None = None,
        term_weights: torch.Tensor | None = None,
        agreement: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Blend the logits of the members.

        Args:
            logits: (B, L) for each member.
            encoded: Inputs of :class:`WideBranch`, also ``present``, ``term_ids`` and ``term_weights``.
            agreement: (B,), NaN where text or image is missing.

        Returns:
            (B, L), in float32.
        """
        blended = (torch.stack(list(logits)).float() * self.scale.float().unsqueeze(1)).sum(dim=0)
        if self.wide is not None:
            blended = blended + self.wide(encoded, present, term_ids, term_weights)
        if self.reads_agreement and agreement is not None:
            own = agreement.float().unsqueeze(1)
            term = own * self.get_buffer("agreement_weight").float() + self.get_buffer("agreement_bias").float()
            blended = blended + term.masked_fill(own.isnan(), 0.0)
        return blended


def wide_widths(config: CLFAConfig) -> dict[str, int]:
    """Return the widths of the encoders' features, by ``text`` and ``image``."""
    encoders: dict[str, Any] = {"text": config.text_config, "image": config.vision_config}
    return {name: encoder_width(encoder) for name, encoder in encoders.items() if encoder is not None}
