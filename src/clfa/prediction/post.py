"""Input and output of prediction: a post and its prediction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from clfa.targets.target_prediction import TargetPrediction


@dataclass(frozen=True)
class Post:
    """One image-text pair to predict on.

    Args:
        text: Text of the post, or ``None``.
        image: Image in any form that ``load_image`` accepts, a list of these for several images, or ``None``.
        knowledge: Additional text about the image, or ``None``.
    """

    text: str | None = None
    image: Any = None
    knowledge: str | None = None


@dataclass(frozen=True)
class Prediction:
    """Prediction on one post, or the reason of its failure.

    Args:
        label: Most probable class; for a multi-label target the list of classes, for a regression the number;
            ``None`` on failure and for several targets.
        probabilities: Probabilities by class name; empty on failure, for a regression and for several targets.
        embedding: Fused vector (``hidden_size``,), ``None`` on failure.
        error: Error message if there is no prediction, else ``None``.
        reason: Short name of the kind of failure, as in data checks, for counting.
        targets: Predictions by target name; ``None`` on failure.
        agreement: How well text and image agree, from -1 to 1: the cosine of their aligned vectors. ``None`` on
            failure, where one of them is missing, and for models whose readout does not compare them.
    """

    label: Any
    probabilities: dict[str, float]
    embedding: np.ndarray | None = field(default=None, repr=False)
    error: str | None = None
    reason: str | None = None
    targets: dict[str, TargetPrediction] | None = None
    agreement: float | None = None
