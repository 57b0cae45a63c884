"""Number of samples of each class."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from clfa.data.schema import Corpus
from clfa.targets.default_label import is_default_label
from clfa.targets.target import label_matrix, label_slices


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
