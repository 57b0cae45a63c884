"""How many samples each class has."""

from __future__ import annotations

from collections import Counter

from datasets import Dataset

from clfa.data.schema import Corpus
from clfa.targets.target import label_matrix, label_slices


def class_counts(data: Dataset, corpus: Corpus) -> dict[str, int]:
    """Return samples by class; with targets by ``target: class``, or by ``target: number``.

    Args:
        data: A split.
        corpus: Whose.
    """
    if not corpus.targets:
        labels = Counter(data["label"][:])
        return {label: labels[index] for index, label in enumerate(corpus.label_names)}
    counts: dict[str, int] = {}
    for target, own in label_slices(corpus.targets):
        for vector in label_matrix(data)[:, own]:
            found = target.describe(vector)
            for label in found if isinstance(found, list) else [] if found is None else [found]:
                key = f"{target.name}: {label}" if target.label_names else f"{target.name}: number"
                counts[key] = counts.get(key, 0) + 1
    names = [f"{target.name}: {label}" for target in corpus.targets for label in target.label_names or ("number",)]
    return {name: counts.get(name, 0) for name in names}
