"""Search for all issues of a corpus."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import numpy as np

from clfa.data.schema import Corpus
from clfa.errors import Argument, DataError, RecipeError
from clfa.issues.agreement import agreement
from clfa.issues.label_quality import LabelQuality, label_quality
from clfa.issues.near_duplicates import NearGroup, near_duplicates, pair_groups
from clfa.issues.out_of_fold import FOLDS, out_of_fold, pooled_classifier, word_classifier
from clfa.issues.pooled_features import pooled_features
from clfa.issues.posts import Posts, labelled_posts
from clfa.issues.word_features import word_features
from clfa.recipe import Recipe
from clfa.runs.encoders import load_encoders


@dataclass
class Issues:
    """Result of :func:`find_issues`.

    Args:
        name: Name of the corpus.
        posts: The labelled samples.
        probabilities: Out-of-fold class probabilities (N, classes).
        labels: Scores of the labels.
        groups: Nearly equal posts.
        agreement: Cosine of text and picture (N,), NaN where one is missing; ``None`` without a guide.
        inputs: What the labels were predicted from.
        folds: Number of folds.
    """

    name: str
    posts: Posts
    probabilities: np.ndarray
    labels: LabelQuality
    groups: list[NearGroup]
    agreement: np.ndarray | None
    inputs: str
    folds: int


def find_issues(
    corpus: Corpus,
    *,
    recipe: Recipe | None = None,
    target: str | None = None,
    ignore: str | None = None,
    images: bool = True,
    folds: int = FOLDS,
    seed: int = 0,
    threads: int | None = None,
) -> Issues:
    """Return probable wrong labels, near-duplicates, and posts whose text and picture do not belong together.

    Args:
        corpus: A validated corpus; the labelled samples of all its splits are looked at.
        recipe: A recipe whose frozen encoders and guide are used as well.
        target: Name of the target whose labels are ranked; by default the first one.
        ignore: Regular expression of parts of texts that the labels are not predicted from: traces of how the posts
            were collected, for instance hashtags.
        images: Whether to decode pictures.
        folds: Number of folds of the out-of-fold predictions.
        seed: Seed of the folds.
        threads: Number of threads that decode pictures; by default one per processor, at most 8.

    Raises:
        DataError: If the labels cannot be ranked (see :func:`clfa.issues.posts.labelled_posts`), or there are too few
            samples, or no texts and no recipe.
        RecipeError: If the recipe has no encoder for this data, or ``ignore`` is not a regular expression.
    """
    posts = labelled_posts(corpus, target)
    with_images = images and corpus.has_images
    groups = near_duplicates(posts, images=with_images, threads=threads or min(8, os.cpu_count() or 1))
    copies = _copies(groups, len(posts))
    knowledge = posts.column("knowledge")
    texts = without(ignore, posts.column("text"))
    members, inputs = [], []
    if any(map(str.strip, texts)) or any(knowledge):
        members.append((word_features(texts, knowledge), word_classifier))
        inputs += [f"words without {ignore}" if ignore else "words"] + ["knowledge words"] * any(knowledge)
    elif recipe is None or not with_images:
        raise DataError(
            f"{corpus.name}: no post has a text, so that labels cannot be predicted from words; ",
            Argument("recipe", ...),
            " predicts them from the pictures.",
        )
    cosines = None
    if recipe is not None:
        if not with_images:
            recipe = recipe.model_copy(deep=True)
            recipe.model.vision_encoder = None
        if recipe.model.text_encoder is None and recipe.model.vision_encoder is None:
            raise RecipeError("the recipe has no text encoder, and the data has no images for its vision encoder")
        encoders = load_encoders(recipe)
        members.append((pooled_features(posts, texts, encoders), pooled_classifier))
        inputs += [f"{side} features" for side in ("text", "image") if getattr(encoders, side) is not None]
        if encoders.text is not None and encoders.image is not None and recipe.guided:
            cosines = agreement(posts, corpus, recipe, encoders, copies, folds)
    classes = len(posts.target.label_names)
    found = out_of_fold(members, posts.labels, copies, classes, folds=folds, seed=seed)
    quality = label_quality(found, posts.labels)
    return Issues(corpus.name, posts, found, quality, groups, cosines, ", ".join(inputs), folds)


def without(ignore: str | None, texts: list[str]) -> list[str]:
    """Return texts without the parts that a regular expression matches.

    Raises:
        RecipeError: If it is not a regular expression.
    """
    if ignore is None:
        return texts
    try:
        pattern = re.compile(ignore)
    except re.error as error:
        raise RecipeError(
            Argument("ignore", ignore), f" is not a regular expression: {error}; write special characters as \\#"
        ) from error
    return [pattern.sub(" ", text) for text in texts]


def _copies(groups: list[NearGroup], count: int) -> list[int]:
    """Return the group of each post by nearly equal texts; the same picture may rightly have several labels."""
    return pair_groups(
        [(group.members[0], other) for group in groups if group.kind == "text" for other in group.members[1:]], count
    )
