"""Whether the targets of a corpus can be learnt."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from clfa.errors import DataError
from clfa.targets.target import REGRESSION, SINGLE_LABEL, Target, label_matrix, label_slices

if TYPE_CHECKING:
    from clfa.data.schema import Corpus

logger = logging.getLogger(__name__)


def check_targets(corpus: Corpus) -> None:
    """Make sure every class and number can be learnt; what is absent from validation or test only gets a warning.

    Raises:
        DataError: A target that no training sample has a label for, a class without a (positive) training sample, a
            single-label target of one class, or a regression whose training values are all equal.
    """
    for split_name, split in corpus.splits.items():
        matrix = label_matrix(split)
        for target, columns in label_slices(corpus.targets):
            problem = _problem(target, matrix[:, columns], split_name)
            if problem is None:
                continue
            if split_name == "train":
                raise DataError(f"{corpus.name}: {problem}")
            logger.warning("%s: %s", corpus.name, problem)


def _problem(target: Target, values: np.ndarray, split: str) -> str | None:
    values = values[~np.isnan(values).any(axis=1)]
    what = "training" if split == "train" else split
    if not len(values):
        return f"no {what} sample has a label for target {target.name!r}"
    if target.problem_type == REGRESSION:
        if split == "train" and np.ptp(values) == 0:
            return f"target {target.name!r} is {values[0, 0]:g} in every training sample; there is nothing to learn"
        return None
    if len(target.label_names) < 2 and target.problem_type == SINGLE_LABEL:
        return f"target {target.name!r} has the one class {target.label_names[0]!r}; there is nothing to learn"
    if target.problem_type == SINGLE_LABEL:
        counts = np.bincount(values[:, 0].astype(int), minlength=len(target.label_names))
    else:
        counts = values.sum(axis=0)
    absent = [name for name, count in zip(target.label_names, counts, strict=True) if not count]
    if not absent:
        return None
    advice = "; add some, or leave the class out of label_names" if split == "train" else ""
    return f"no {what} sample of class {', '.join(map(repr, absent))} of target {target.name!r}{advice}"
