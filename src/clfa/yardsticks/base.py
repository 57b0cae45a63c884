"""The interface of a yardstick, and the data that it gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from clfa.targets.target import Target
from clfa.yardsticks.blocks import Scale

if TYPE_CHECKING:
    from clfa.processing.terms import Terms

# The part of a split that each block of features is made from.
BLOCKS = {"text": "text_features", "image": "image_features", "terms": "texts"}


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
        terms: The terms that count; those of the training texts when not given.
        scales: Scale of the blocks ``text`` and ``image``; that of the training split when not given.
    """

    splits: Mapping[str, YardstickSplit]
    targets: Sequence[Target]
    absent: Mapping[str, str] = field(default_factory=dict)
    terms: Terms | None = None
    scales: Mapping[str, Scale] = field(default_factory=dict)

    def block(self, name: str) -> dict[str, Any]:
        """Return a block of features (N, D) by split; its rows have a length of about 1.

        Args:
            name: ``text`` or ``image``: standardised means of the encoder's tokens (:meth:`Scale.apply`). ``terms``:
                :func:`clfa.yardsticks.blocks.tfidf` of the texts.
        """
        if name == "terms":
            return self._tfidf
        scale = self.scale(name)
        return {split: scale.apply(getattr(own, BLOCKS[name])) for split, own in self.splits.items()}

    def scale(self, name: str) -> Scale:
        """Return the scale of the block ``text`` or ``image``."""
        return self.scales[name] if name in self.scales else self._own_scales[name]

    @cached_property
    def _own_scales(self) -> dict[str, Scale]:
        train = self.splits["train"]
        parts = {name: getattr(train, BLOCKS[name]) for name in ("text", "image")}
        return {name: Scale.fit(features) for name, features in parts.items() if features is not None}

    @cached_property
    def _tfidf(self) -> dict[str, csr_matrix]:
        from clfa.yardsticks.blocks import tfidf

        texts = {name: split.texts or [] for name, split in self.splits.items()}
        if self.terms is None:
            return tfidf(texts)
        return {name: self.terms.matrix(own) for name, own in texts.items()}


@dataclass(frozen=True)
class LinearMap:
    """A linear model: ``bias + sum over the blocks of block @ weights``.

    For classes its outputs differ from the logits of the yardstick by a constant per row and target, which has no
    effect on probabilities.

    Args:
        weights: (D, L) by name of the block, L the sum of the targets' logit widths.
        bias: (L,).
    """

    weights: dict[str, np.ndarray]
    bias: np.ndarray


@dataclass(frozen=True)
class YardstickOutputs:
    """Outputs of a fitted yardstick.

    Args:
        logits: (N, sum of the targets' logit widths) float64 by split, as those of a model.
        settings: What was chosen on the validation split, as JSON values.
        linear: The fitted model, if it is linear in blocks for all targets with linear logits
            (:attr:`clfa.targets.problem_type.ProblemType.linear_logits`); the outputs of other targets are 0 in it.
    """

    logits: dict[str, np.ndarray]
    settings: dict[str, Any]
    linear: LinearMap | None = None


class Yardstick(ABC):
    """A plain baseline.

    Attributes:
        needs: The parts of :class:`YardstickSplit` that it reads, besides the labels.
        blocks: Names of the blocks of features (:meth:`YardstickData.block`) that its outputs are linear in; without
            any it takes no part in blends.
        version: Part of the key of its cache. Increase it when the same data give other outputs.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    blocks: ClassVar[tuple[str, ...]] = ()
    version: ClassVar[int] = 1

    @abstractmethod
    def outputs(self, data: YardstickData) -> YardstickOutputs:
        """Fit on the training split, choose settings on the validation split, and return outputs for all splits.

        Args:
            data: All parts in :attr:`needs` exist. Each target has a label in the training split.
        """
