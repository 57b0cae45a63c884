"""The interface of baselines."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from clfa.errors import ModelError
from clfa.modeling.baselines import BASELINES
from clfa.modeling.configuration import CLFAConfig
from clfa.modeling.fusion.base import Stream
from clfa.modeling.options import check_options


class Baseline(nn.Module):
    """Base class of all baselines: encoder features -> one fused stream.

    Pooling and classifier are CLFA's; there is no alignment. Options of a baseline are the keyword arguments of its
    ``__init__`` after ``widths``; a recipe sets them under ``model.baseline_options``.

    Args:
        config: Configuration of the model. ``hidden_size`` is the width of the tokens that :meth:`forward` returns.
        widths: Feature width by stream name (``text``, ``image``, ``knowledge``).

    Attributes:
        needs: Names of the required streams.
        views: Number of fused tokens with a separate classifier each, whose logits are averaged; 0 if the fused tokens
            are pooled and classified once.

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

    @classmethod
    def takes_several_images(cls, vision_type: str) -> bool:
        """Return whether a sample may have several images, whose tokens are then joined and masked.

        Args:
            vision_type: ``model_type`` of the vision encoder's configuration.
        """
        return True

    @abstractmethod
    def forward(self, streams: dict[str, Stream]) -> Stream:
        """Fuse the streams.

        Args:
            streams: Encoder features (B, N, width) with masks, by name. Knowledge may be absent from a batch or have an
                all-zero mask for a sample.

        Returns:
            Tokens (B, N, ``hidden_size``) with their mask; usually one token.
        """
        raise NotImplementedError

    def auxiliary_loss(self, streams: dict[str, Stream], fused: Stream, labels: torch.Tensor) -> torch.Tensor | None:
        """Compute an auxiliary loss, which is added to the total loss in training.

        Args:
            streams: Input of :meth:`forward`.
            fused: Output of :meth:`forward`.
            labels: Class indices (B,) or flat vectors of targets (B, L).

        Returns:
            Scalar, already weighted; ``None`` for most baselines.
        """
        return None


def reads_several_images(baseline: str | None, vision_config: Any) -> bool:
    """Return whether a model reads samples with several images.

    Args:
        baseline: Name of its baseline; ``None`` for CLFA.
        vision_config: Configuration of its vision encoder.
    """
    return baseline is None or BASELINES.get(baseline).takes_several_images(str(vision_config.model_type))


def require_several_images(baseline: str | None, vision_config: Any) -> None:
    """Check that a model can read samples with several images.

    Args:
        baseline: Name of its baseline; ``None`` for CLFA.
        vision_config: Configuration of its vision encoder.

    Raises:
        ModelError: When the baseline reads the class token of one image.
    """
    if not reads_several_images(baseline, vision_config):
        raise ModelError(
            f"baseline {baseline!r} reads the class token of one image and cannot read samples with several; "
            "keep the first image of each with data.max_images=1, or use another baseline."
        )


def build_baseline(name: str, config: CLFAConfig, widths: Mapping[str, int], options: Mapping[str, Any]) -> Baseline:
    """Create a baseline by name.

    Raises:
        RecipeError: When there is no baseline of that name.
        ModelError: When the baseline has no such option or value, or needs a stream that the model does not have.
    """
    baseline_class = BASELINES.get(name)
    check_options("baseline", name, baseline_class, options, taken=2)
    return baseline_class(config, widths, **options)
