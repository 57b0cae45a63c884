"""The interface of a yardstick, and the data that it gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from clfa.targets.target import Target


@dataclass(frozen=True)
class YardstickSplit:
    """The posts of one split.

    Args:
        labels: (N, sum of the targets' widths), NaN where missing.
        texts: N texts, empty where missing; ``None`` if the run reads no texts.
        text_features: Mean of the text encoder's tokens (N, D), a row of NaN where missing; ``None`` if not computed.
        image_features: The same of the vision encoder.
    """

    labels: np.ndarray
    texts: list[str] | None = None
    text_features: np.ndarray | None = None
    image_features: np.ndarray | None = None


@dataclass(frozen=True)
class YardstickData:
    """What all yardsticks of a run are computed from.

    Args:
        splits: ``train``, ``validation`` and, if the run scores it, ``test``.
        targets: Targets, with the values fitted to the training split.
        absent: Reason for each part of :class:`YardstickSplit` that is ``None`` in all splits, by its name.
    """

    splits: Mapping[str, YardstickSplit]
    targets: Sequence[Target]
    absent: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def tfidf(self) -> dict[str, csr_matrix]:
        """:func:`clfa.yardsticks.blocks.tfidf` of the texts, by split."""
        from clfa.yardsticks.blocks import tfidf

        return tfidf({name: split.texts or [] for name, split in self.splits.items()})

    @cached_property
    def pooled_text(self) -> dict[str, np.ndarray]:
        """:func:`clfa.yardsticks.blocks.standardised` of the text features, by split."""
        return self._standardised("text_features")

    @cached_property
    def pooled_image(self) -> dict[str, np.ndarray]:
        """:func:`clfa.yardsticks.blocks.standardised` of the image features, by split."""
        return self._standardised("image_features")

    def _standardised(self, part: str) -> dict[str, np.ndarray]:
        from clfa.yardsticks.blocks import standardised

        return standardised({name: getattr(split, part) for name, split in self.splits.items()})


@dataclass(frozen=True)
class YardstickOutputs:
    """Outputs of a fitted yardstick.

    Args:
        logits: (N, sum of the targets' logit widths) float64 by split, as those of a model.
        settings: What was chosen on the validation split, as JSON values.
    """

    logits: dict[str, np.ndarray]
    settings: dict[str, Any]


class Yardstick(ABC):
    """A plain baseline.

    Attributes:
        needs: The parts of :class:`YardstickSplit` that it reads, besides the labels.
        version: Part of the key of its cache. Increase it when the same data give other outputs.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    @abstractmethod
    def outputs(self, data: YardstickData) -> YardstickOutputs:
        """Fit on the training split, choose settings on the validation split, and return outputs for all splits.

        Args:
            data: All parts in :attr:`needs` exist. Each target has a label in the training split.
        """
