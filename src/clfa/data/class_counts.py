"""Number of samples of each class."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from datasets import Dataset

from clfa.data.schema import Corpus
from clfa.targets.default_label import is_default_label
from clfa.targets.target import Target, label_matrix, label_slices


def class_counts(data: Dataset, corpus: Corpus) -> dict[str, int]:
    """Return the number of samples by class, or by ``target: class`` and ``target: number`` with other targets.

    Args:
        data: A split of the corpus.
        corpus: The corpus.
    """
    counts: dict[str, int] = {}
    matrix = label_matrix(data)
    for target, own in label_slices(corpus.targets):
        present = ~np.isnan(matrix[:, own]).any(axis=1)
        prefix = "" if is_default_label(corpus.targets) else f"{target.name}: "
        counts |= {f"{prefix}{name}": count for name, count in target.kind.counts(matrix[present, own]).items()}
    return counts


def split_labels(corpus: Corpus, split: str) -> Iterator[tuple[Target, np.ndarray]]:
    """Yield each target with the labels of a split (N, width), without missing ones; nothing for an empty split."""
    if split in corpus.splits and len(corpus.splits[split]):
        matrix = label_matrix(corpus.splits[split])
        for target, own in label_slices(corpus.targets):
            values = matrix[:, own]
            yield target, values[~np.isnan(values).any(axis=1)]


def absent_classes(corpus: Corpus, split: str) -> dict[str, list[str]]:
    """Return the classes without a sample in a split that is not empty, by target; without targets that have all.

    All classes of a target without any label in the split are absent.

    Args:
        corpus: The corpus.
        split: Name of the split.
    """
    found: dict[str, list[str]] = {}
    for target, values in split_labels(corpus, split):
        if target.kind.has_classes:
            found[target.name] = [name for name, count in target.kind.counts(values).items() if not count]
    return {name: absent for name, absent in found.items() if absent}
