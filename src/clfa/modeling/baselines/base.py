"""The interface every baseline shares."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from clfa.errors import ModelError
from clfa.modeling.baselines import BASELINES
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream


class Baseline(nn.Module):
    """Encoder features in, one fused stream out; pooling and classifier are CLFA's, alignment there is none.

    Options of a baseline are the keyword arguments of its ``__init__`` after ``widths``; a recipe sets them under
    ``model.baseline_options``.

    Args:
        config: Shape of the model. ``hidden_size`` is the width of what :meth:`forward` returns.
        widths: Feature width by stream name (``text``, ``image``, ``knowledge``).

    Attributes:
        needs: Streams without which the model makes no sense.
        views: Number of fused tokens that get a classifier of their own each, their logits averaged; 0 when the fused
            tokens are pooled and classified once.

    Raises:
        ModelError: When the configuration lacks a stream in :attr:`needs`.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    views: ClassVar[int] = 0

    def __init__(self, config: CLFAConfig, widths: Mapping[str, int]) -> None:
        super().__init__()
        absent = [name for name in self.needs if name not in widths]
        if absent:
            how = {
                "text": "set model.text_encoder",
                "image": "set model.vision_encoder",
                "knowledge": "set model.use_knowledge=true and give the data a knowledge column or source",
            }
            raise ModelError(f"baseline {config.baseline!r} needs {absent[0]}: {how[absent[0]]}.")

    def forward(self, streams: dict[str, Stream]) -> Stream:
        """Fuse.

        Args:
            streams: Raw encoder features (B, N, width) with masks, by name; knowledge may be absent from a batch, or
                have an all-zero mask for a sample.

        Returns:
            Tokens (B, N, ``hidden_size``) with their mask; usually one token.
        """
        raise NotImplementedError

    def auxiliary_loss(self, streams: dict[str, Stream], fused: Stream, labels: torch.Tensor) -> torch.Tensor | None:
        """A loss of the baseline's own beside the classification, asked for in training only.

        Args:
            streams: What :meth:`forward` was given.
            fused: What it returned.
            labels: Class indices (B,).

        Returns:
            Scalar, weighted, added to the total loss; ``None`` for most baselines.
        """
        return None


def build_baseline(name: str, config: CLFAConfig, widths: Mapping[str, int], options: Mapping[str, Any]) -> Baseline:
    """The baseline of that name.

    Raises:
        RecipeError: When there is none of that name.
        ModelError: When it does not take one of the options, or needs a stream that the model does not have.
    """
    baseline_class = BASELINES.get(name)
    known = list(inspect.signature(baseline_class).parameters)[2:]
    for option in options:
        if option not in known:
            takes = ", ".join(known) or "none"
            raise ModelError(f"baseline {name!r} has no option {option!r}; it takes: {takes}.")
    baseline: Baseline = baseline_class(config, widths, **options)
    return baseline
