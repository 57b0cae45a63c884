"""Whether the targets of a corpus can be learnt."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.errors import DataError
from clfa.targets.target import Target, label_matrix, label_slices

logger = logging.getLogger(__name__)


def check_targets(name: str, splits: Mapping[str, Any], targets: Sequence[Target]) -> None:
    """Make sure every class and number can be learnt; what is absent from validation or test only gets a warning.

    Args:
        name: Of the corpus, for messages.
        splits: Its splits in the schema.
        targets: Its targets.

    Raises:
        DataError: A target that no training sample has a label for, a class without a (positive) training sample, a
            single-label target of one class, or a regression whose training values are all equal.
    """
    for split_name, split in splits.items():
        matrix = label_matrix(split)
        for target, columns in label_slices(targets):
            problem = _problem(target, matrix[:, columns], split_name)
            if problem is None:
                continue
            if split_name == "train":
                raise DataError(f"{name}: {problem}")
            logger.warning("%s: %s", name, problem)


def _problem(target: Target, values: np.ndarray, split: str) -> str | None:
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        what = "training" if split == "train" else split
        for_target = "" if target.is_default else f" for target {target.name!r}"
        return f"no {what} sample has a label{for_target}"
    return target.kind.obstacle(values, split)


def label_faults(split: Any, targets: Sequence[Target]) -> dict[int, str]:
    """Samples whose labels cannot be used, by position, and why.

    Args:
        split: Labelled samples in the schema.
        targets: Of the corpus.
    """
    matrix = label_matrix(split)
    faults = {int(row): "the sample has no label" for row in np.flatnonzero(np.isnan(matrix).all(axis=1))}
    for target, own in label_slices(targets):
        present = np.flatnonzero(~np.isnan(matrix[:, own]).any(axis=1))
        found = target.kind.faults(matrix[present, own])
        faults |= {int(present[position]): fault for position, fault in found.items()}
    return faults
