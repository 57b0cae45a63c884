"""Predictions as answers of the service."""

from __future__ import annotations

import math
from collections.abc import Mapping

from clfa.prediction.post import Prediction
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import Ablation, ExplanationOut, PostOut, Problem, TargetOut
from clfa.targets.target_prediction import TargetPrediction

_DIGITS = 6


def answer(
    identifier: str | int | None,
    found: Prediction | Refusal,
    without: Mapping[str, Prediction] | None = None,
    explanation: ExplanationOut | None = None,
) -> PostOut:
    """Return the answer for one post.

    Args:
        identifier: The post's id.
        found: Its prediction, or why it has none.
        without: Predictions without a part of the post.
        explanation: What decided.
    """
    if isinstance(found, Refusal):
        return PostOut(id=identifier, error=Problem(**found.to_dict()))
    if found.targets is None:
        return PostOut(id=identifier, error=Problem(code="unusable_post", message=unusable(found).message))
    return PostOut(
        id=identifier,
        targets=_targets(found.targets),
        agreement=None if found.agreement is None else round(found.agreement, _DIGITS),
        without=None
        if not without
        else {
            name: Ablation(targets=_targets(one.targets)) for name, one in without.items() if one.targets is not None
        },
        explanation=explanation,
    )


def unusable(found: Prediction) -> Refusal:
    """Return the refusal of a post that the model cannot read."""
    # Messages name pictures as <image bytes> and repeat nothing of a post.
    return Refusal("unusable_post", f"The model cannot read this post: {found.error}.")


def _targets(found: Mapping[str, TargetPrediction]) -> dict[str, TargetOut]:
    return {name: TargetOut(**one.to_dict(_DIGITS), confidence=_confidence(one)) for name, one in found.items()}


def _confidence(found: TargetPrediction) -> float | None:
    """Return the probability of the predicted class; ``None`` for numbers and for sets of classes."""
    if found.probabilities is None or isinstance(found.value, list):
        return None
    known = found.probabilities.get(str(found.value), math.nan)
    return None if math.isnan(known) else round(known, _DIGITS)
