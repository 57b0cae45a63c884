"""Unlabelled posts in a training."""

from __future__ import annotations

from datasets import Dataset, concatenate_datasets

from clfa.data import Corpus
from clfa.errors import DataError
from clfa.recipe import Recipe


def training_rows(recipe: Recipe, corpus: Corpus) -> Dataset:
    """Return the training split and, with ``training.unlabelled_share``, the unlabelled pairs after it.

    Raises:
        DataError: If unlabelled pairs are wanted and there are none.
    """
    train = corpus.splits["train"]
    if not recipe.training.unlabelled_share:
        return train
    if corpus.unlabelled is None or not len(corpus.unlabelled):
        raise DataError(
            f"training.unlabelled_share is {recipe.training.unlabelled_share:g} and {corpus.name} has no unlabelled "
            "posts: leave label cells empty, name tables of posts under data.unlabelled, or set it to 0."
        )
    return concatenate_datasets([train, corpus.unlabelled])


def without_unlabelled(recipe: Recipe) -> Recipe:
    """Return the recipe without the settings on unlabelled posts, which an evaluation does not need."""
    data = recipe.data.model_copy(update={"unlabelled": []})
    training = recipe.training.model_copy(update={"unlabelled_share": 0.0})
    return recipe.model_copy(update={"data": data, "training": training})
