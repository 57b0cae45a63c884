"""Targets of a run."""

from __future__ import annotations

from clfa.data import Corpus
from clfa.recipe import Recipe
from clfa.targets.fit import fit_targets
from clfa.targets.target import Target, label_matrix


def training_targets(recipe: Recipe, corpus: Corpus) -> list[Target]:
    """Return the targets of a corpus with the values fitted to the training split: class weights, mean and sd.

    Args:
        recipe: ``training.class_weights`` of it.
        corpus: Corpus with targets and training split.

    Raises:
        RecipeError: When class weights name a class or target that does not exist.
    """
    return fit_targets(corpus.targets, label_matrix(corpus.splits["train"]), recipe.training.class_weights)
