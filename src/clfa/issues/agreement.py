"""How well text and picture of a post agree, by a guide that was not fitted on the post."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clfa.data.schema import Corpus
from clfa.errors import DataError
from clfa.guides import GUIDES, GuideContext
from clfa.guides.base import Pairs
from clfa.guides.create import create_guide
from clfa.guides.fitted import MIN_PAIRS, FittedGuide
from clfa.issues.posts import Posts
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders
from clfa.targets.where import Where


def agreement(
    posts: Posts, corpus: Corpus, recipe: Recipe, encoders: Encoders, groups: Sequence[int], folds: int
) -> np.ndarray:
    """Return the cosine of text and picture of each post (N,) in the guide's space; NaN where one of them is missing.

    A fitted guide is fitted once per fold on the posts of the other folds, of these on those that match
    ``guide.where``; other guides have not seen any post.

    Args:
        posts: N labelled samples.
        corpus: Their corpus.
        recipe: Names the guide and its options.
        encoders: Encoders of the recipe.
        groups: Group of each post; posts of a group (copies) are in one fold.
        folds: Number of folds.

    Raises:
        RecipeError: If the guide's options or ``guide.where`` are wrong.
        DataError: If there are too few pairs to fit a guide on.
    """
    keys = encoders.keys(posts.data)
    pairs = Pairs(posts.column("text"), posts.column("image"), keys.text, keys.image)
    complete = np.array([bool(text and image) for text, image in zip(keys.text, keys.image, strict=True)])
    fitting = complete
    if recipe.guide.where is not None:
        fitting = complete & Where.parse(recipe.guide.where).matches(posts.data, corpus.targets)
    fold = np.zeros(len(posts), np.int64)
    if GUIDES.get(recipe.guide.name) is FittedGuide and "path" not in recipe.guide.options:
        fold = _folds(groups, folds, recipe.seed)
        smallest = min(int((fitting & (fold != number)).sum()) for number in range(folds))
        if smallest < MIN_PAIRS:
            raise DataError(
                f"{corpus.name}: {smallest} pairs of text and image are too few to fit a guide on; it needs {MIN_PAIRS}"
            )
    found = np.full(len(posts), np.nan)
    for number in np.unique(fold):
        others = fitting & (fold != number)
        guide = create_guide(
            recipe.guide.name,
            GuideContext(
                cache=encoders.cache,
                text_encoder=recipe.model.text_encoder,
                vision_encoder=recipe.model.vision_encoder,
                text_features=encoders.text,
                image_features=encoders.image,
                pairs=pairs.select(np.flatnonzero(others)),
                seed=recipe.seed,
            ),
            recipe.guide.options,
        )
        held = np.flatnonzero(complete & (fold == number))
        text, image = guide.embed_pairs(pairs.select(held), encoders.cache)
        lengths = np.linalg.norm(text, axis=1) * np.linalg.norm(image, axis=1)
        found[held] = (text * image).sum(axis=1) / np.maximum(lengths, 1e-12)
    return found


def _folds(groups: Sequence[int], folds: int, seed: int) -> np.ndarray:
    names, own = np.unique(np.array(groups), return_inverse=True)
    return np.random.RandomState(seed).permutation(len(names))[own] % folds
