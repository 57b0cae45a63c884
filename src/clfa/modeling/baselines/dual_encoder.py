"""Dual encoder: CLFA's two students without guide and without fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import nn

from clfa.modeling.baselines.base import Baseline
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean
from clfa.modeling.projection import ProjectionMLP


class DualEncoder(Baseline):
    """Dual encoder without alignment: each modality projected on its own, the two pooled vectors side by side.

    ``s_m = mean_i MLP_m(x_mi)`` for the text and the image (CLFA's projections, arXiv:2403.06355, section 3.2, so that
    s_m are its students), ``out = W [s_text; s_image] + b``. There is no guide, no attention and no interaction of the
    two modalities but the classifier's sum. ``pooled_concat`` differs in that it has no projection of a modality of its
    own and one non-linear layer after the concatenation; here nothing non-linear ever sees both modalities.

    Simplified against the paper: no single paper describes it; it is the ablation of CLFA without guide and fusion.
    Knowledge is not read.

    Args:
        config: ``hidden_size``, ``projection_hidden_size``, ``projection_layer_norm``, ``text_feature_dropout``,
            ``image_feature_dropout`` and ``hidden_dropout_prob``.
        widths: Feature width by stream name.

    Raises:
        ModelError: When text or image is missing.
    """

    needs: ClassVar[tuple[str, ...]] = ("text", "image")

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__(config, widths)
        self.projections = nn.ModuleDict(
            {
                name: ProjectionMLP(
                    widths[name],
                    config.projection_hidden_size,
                    config.hidden_size,
                    dropout,
                    config.projection_layer_norm,
                )
                for name, dropout in (("text", config.text_feature_dropout), ("image", config.image_feature_dropout))
            }
        )
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(2 * config.hidden_size, config.hidden_size)

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """See :meth:`Baseline.forward`."""
        students = [
            masked_mean(project(streams[name].hidden), streams[name].mask) for name, project in self.projections.items()
        ]
        return Stream(self.dense(self.dropout(torch.cat(students, dim=-1))).unsqueeze(1))
