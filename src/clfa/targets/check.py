"""Checks of the labels of a corpus before training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.errors import DataError
from clfa.targets.target import Target, label_matrix, label_slices


def check_targets(name: str, splits: Mapping[str, Any], targets: Sequence[Target]) -> None:
    """Check that all targets can be learnt from the training split.

    Args:
        name: Name of the corpus, for messages.
        splits: Its splits in the schema.
        targets: Its targets.

    Raises:
        DataError: If a target has no training label, a class has no (positive) training sample, a single-label target
            has only one class, or all training values of a regression are equal.
    """
    if "train" not in splits:
        return
    matrix = label_matrix(splits["train"])
    for target, columns in label_slices(targets):
        problem = _problem(target, matrix[:, columns])
        if problem is not None:
            raise DataError(f"{name}: {problem}")


def _problem(target: Target, values: np.ndarray) -> str | None:
    values = values[~np.isnan(values).any(axis=1)]
    if not len(values):
        for_target = "" if target.is_default else f" for target {target.name!r}"
        return f"no training sample has a label{for_target}"
    return target.kind.obstacle(values, "train")


def label_faults(split: Any, targets: Sequence[Target]) -> dict[int, str]:
    """Return the reasons why labels cannot be used, by position of the sample.

    Args:
        split: Labelled samples in the schema.
        targets: Targets of the corpus.
    """
    matrix = label_matrix(split)
    faults = {int(row): "the sample has no label" for row in np.flatnonzero(np.isnan(matrix).all(axis=1))}
    for target, own in label_slices(targets):
        present = np.flatnonzero(~np.isnan(matrix[:, own]).any(axis=1))
        found = target.kind.faults(matrix[present, own])
        faults |= {int(present[position]): fault for position, fault in found.items()}
    return faults
