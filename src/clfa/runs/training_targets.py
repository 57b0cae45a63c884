"""What a run predicts."""

from __future__ import annotations

from clfa.data import Corpus
from clfa.recipe import Recipe
from clfa.targets.default_label import default_label
from clfa.targets.fit import fit_targets
from clfa.targets.target import Target, label_matrix


def training_targets(recipe: Recipe, corpus: Corpus) -> list[Target]:
    """What a model of this corpus predicts, with what is fitted to the training split: class weights, mean and sd.

    Args:
        recipe: ``training.class_weights`` of it.
        corpus: Without targets of its own, it has the one default label.

    Raises:
        RecipeError: When class weights name a class or target that does not exist.
    """
    targets = corpus.targets or [default_label(corpus.label_names)]
    return fit_targets(targets, label_matrix(corpus.splits["train"]), recipe.training.class_weights)
