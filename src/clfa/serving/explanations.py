"""What explains an answer: words of the text and regions of the picture, from what the package offers."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any, Protocol

from clfa.errors import DataError
from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.serving.schemas import ExplanationOut, RegionsOut, WithoutOut, WordOut
from clfa.tables.pictures import as_cell

_PACKAGE = "clfa.explaining"


class Explainer(Protocol):
    """Explain one post; called by one thread at a time, beside predictions."""

    def __call__(self, post: Post) -> ExplanationOut:
        """Return what decided the answer.

        Args:
            post: The post, with pictures as bytes.

        Raises:
            CLFAError: If this post cannot be explained.
        """


def find_explainer(classifier: PostClassifier) -> Explainer | None:
    """Return what explains the answers of a model, ``None`` where nothing does.

    Args:
        classifier: The model.
    """
    try:
        explain_post: Any = import_module(f"{_PACKAGE}.explain").explain_post
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith(_PACKAGE):
            raise
        return None

    def explain(post: Post) -> ExplanationOut:
        found = explain_post(classifier, replace(post, image=as_cell(post.image or ())))
        if found.error is not None:
            raise DataError(found.error)
        return ExplanationOut(
            target=found.target,
            label=found.label,
            method=found.method,
            words=[WordOut(text=one.text, score=one.score) for one in found.words],
            regions=None if found.regions is None else RegionsOut(scores=found.regions),
            without={
                name: WithoutOut(prediction=one.value, score=one.score, how=one.how)
                for name, one in found.without.items()
            },
        )

    return explain
