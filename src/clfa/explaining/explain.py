"""Explanation of one post."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.errors import DataError
from clfa.explaining import DEFAULT, METHODS
from clfa.explaining.explanation import Explanation, WordScore
from clfa.explaining.probe import Probe
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier

if TYPE_CHECKING:
    from clfa.explaining.neighbours import NeighbourIndex


def explain_post(
    classifier: PostClassifier,
    post: Post,
    *,
    method: str = DEFAULT,
    target: str | None = None,
    label: str | None = None,
    neighbours: NeighbourIndex | None = None,
) -> Explanation:
    """Explain the prediction on one post; several threads may do so with the same model at the same time.

    Args:
        classifier: A trained model.
        post: The post.
        method: Name in :data:`clfa.explaining.METHODS`.
        target: The explained target; the first one when not given.
        label: The explained class; the predicted one when not given, of several the most probable.
        neighbours: Index of training posts, to name the nearest ones.

    Returns:
        The explanation; with ``error`` for a post that cannot be predicted on.

    Raises:
        RecipeError: If there is no such method.
        ModelError: If the model has no such target or class, or the method needs a package or another engine.
    """
    compute = METHODS.get(method)
    try:
        probe = Probe(classifier, post, target, label)
    except DataError as error:
        return Explanation(error=str(error))
    found = compute(probe)
    words = [
        WordScore(word, start, score)
        for word, (start, _), score in zip(probe.words, probe.spans, found.words or [], strict=False)
    ]
    return Explanation(
        target=probe.target.name,
        value=probe.target.kind.describe(probe.target.kind.values(probe.logits)[0]),
        label=probe.label_name,
        score=probe.score,
        method=method,
        text=probe.text or "",
        words=words,
        words_left_out=probe.words_left_out,
        regions=found.regions,
        without=probe.ablations(),
        neighbours=[] if neighbours is None else neighbours.nearest(probe),
    )
