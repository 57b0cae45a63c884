"""What explains an answer: words of the text and regions of the picture, from what the package offers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from clfa.prediction.post import Post
from clfa.prediction.post_classifier import PostClassifier
from clfa.serving.schemas import ExplanationOut


class Explainer(Protocol):
    """Explain one post; called by one thread at a time, beside predictions."""

    def __call__(self, post: Post) -> ExplanationOut:
        """Return what decided the answer.

        Args:
            post: The post, with pictures as bytes.

        Raises:
            CLFAError: If this post cannot be explained.
        """


def find_explainer(path: str | Path, classifier: PostClassifier) -> Explainer | None:
    """Return what explains the answers of a model, ``None`` where nothing does.

    Args:
        path: Where the model was loaded from.
        classifier: The model.
    """
    del path, classifier
    return None
