"""Training samples that take part where text and image students are compared (``training.alignment_where``)."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from clfa.data import Corpus
from clfa.errors import DataError, RecipeError
from clfa.modeling.alignment import ALIGNMENTS
from clfa.recipe import Recipe
from clfa.targets.where import Where

_FIELD = "training.alignment_where"


def check_alignment(recipe: Recipe) -> None:
    """Check the name of the alignment, and that ``training.alignment_where`` is a condition and has an effect.

    Raises:
        RecipeError: When one of them is wrong.
    """
    alignment = ALIGNMENTS.get(recipe.model.alignment)
    if recipe.training.alignment_where is None:
        return
    Where.parse(recipe.training.alignment_where, _FIELD)
    if not alignment.compares_students:
        able = [name for name in ALIGNMENTS.names() if ALIGNMENTS.get(name).compares_students]
        raise RecipeError(
            f"{_FIELD} selects the posts whose text and image are aligned with each other, which "
            f"model.alignment={recipe.model.alignment} does not do; use {' or '.join(able)}, or set it to null."
        )


def student_rows(recipe: Recipe, corpus: Corpus, rows: Dataset) -> np.ndarray | None:
    """Return which training samples take part where the students are compared (N,) bool.

    Args:
        recipe: The run's recipe.
        corpus: Its data.
        rows: Training samples (N), perhaps with unlabelled ones, which take part without a condition only.

    Returns:
        ``None`` if the run's alignment does not compare students.

    Raises:
        RecipeError: When the condition's target or one of its classes does not exist.
        DataError: When no sample takes part.
    """
    condition = recipe.training.alignment_where
    part = np.ones(len(rows), bool)
    if condition is not None:
        part = Where.parse(condition, _FIELD).matches(rows, corpus.targets)
    if not (recipe.aligned and ALIGNMENTS.get(recipe.model.alignment).compares_students):
        return None
    if not part.any():
        raise DataError(f"{corpus.name}: no training sample has {condition}; change {_FIELD} or set it to null.")
    return part
