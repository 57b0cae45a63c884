"""A post to predict on, and what the model makes of it."""

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
        text: The post, or ``None``.
        image: The picture in any form that ``load_image`` takes, or ``None``.
        knowledge: Extra text about the picture, or ``None``.
    """

    text: str | None = None
    image: Any = None
    knowledge: str | None = None


@dataclass(frozen=True)
class Prediction:
    """What the model makes of one post, or why it could not.

    Args:
        label: Most probable class; of a single multi-label target the list of classes, of a regression the number;
            ``None`` on failure and where there are several targets.
        probabilities: By class name; empty on failure, for a regression and where there are several targets.
        embedding: Fused vector (``hidden_size``,), ``None`` on failure.
        error: Why there is no prediction, or ``None``.
        reason: The kind of failure in two words, as data checks name it: for counting.
        targets: By target name; ``None`` on failure.
    """

    label: Any
    probabilities: dict[str, float]
    embedding: np.ndarray | None = field(default=None, repr=False)
    error: str | None = None
    reason: str | None = None
    targets: dict[str, TargetPrediction] | None = None
