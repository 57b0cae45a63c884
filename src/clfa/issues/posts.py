"""The labelled samples of all splits in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets

from clfa.data.schema import Corpus
from clfa.data.target_name import no_target
from clfa.errors import DataError
from clfa.targets.target import Target, label_matrix, label_slices


@dataclass
class Posts:
    """N labelled samples.

    Args:
        data: N rows in the schema.
        splits: Split of each sample.
        labels: Class index of each sample (N,) int64.
        target: The target with these classes.
    """

    data: Dataset
    splits: list[str]
    labels: np.ndarray
    target: Target

    def __len__(self) -> int:
        return len(self.splits)

    def column(self, name: str) -> list[Any]:
        """Return a column of :attr:`data` as a list."""
        return list(self.data[name][:])


def find_target(corpus: Corpus, name: str | None = None) -> Target:
    """Return a target of a corpus.

    Args:
        corpus: The corpus, also before it is validated.
        name: Name of the target; by default the first one.

    Raises:
        DataError: If there is no such target; the message has the closest one.
    """
    found = {target.name: target for target in corpus.targets}
    if name is not None and name not in found:
        raise DataError(f"{corpus.name}: ", *no_target(name, list(found)))
    return corpus.targets[0] if name is None else found[name]


def labelled_posts(corpus: Corpus, target: str | None = None) -> Posts:
    """Return the samples of all splits that have a label.

    Args:
        corpus: A validated corpus.
        target: Name of the target; by default the first one.

    Raises:
        DataError: If there is no such target, it does not have one class per sample, or fewer than two classes occur.
    """
    found = find_target(corpus, target)
    name, own = found.name, next(own for other, own in label_slices(corpus.targets) if other.name == found.name)
    if not found.kind.one_class:
        raise DataError(
            f"{corpus.name}: labels of target {name!r} cannot be ranked: it has no single class per sample "
            f"({found.problem_type})"
        )
    parts, splits, labels = [], [], []
    for split, data in corpus.splits.items():
        values = label_matrix(data)[:, own][:, 0]
        known = np.flatnonzero(~np.isnan(values))
        parts.append(data if len(known) == len(data) else data.select(known))
        splits += [split] * len(known)
        labels.append(values[known].astype(np.int64))
    indices = np.concatenate(labels) if labels else np.empty(0, np.int64)
    if len(np.unique(indices)) < 2:
        raise DataError(f"{corpus.name}: labels can be ranked where at least two classes occur")
    return Posts(concatenate_datasets(parts), splits, indices, found)
