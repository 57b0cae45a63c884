"""Splits into train, validation and test: published fold files, or a seeded stratified draw."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict

from clfa.data.schema import SPLITS, Corpus
from clfa.errors import DataError
from clfa.targets.target import Target, strata

RATIOS = (0.8, 0.1, 0.1)

_ALIASES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "valid2": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "test2": "test",
    "testing": "test",
}
_FOLD_FILES = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}


def split_name(name: str) -> str | None:
    """Return the split for a usual name (``"val"``, ``"dev"``, ``"Training"``), or ``None``."""
    return _ALIASES.get(name.strip().lower())


def stratified_split(
    labels: Sequence[Hashable], *, ratios: tuple[float, float, float] = RATIOS, seed: int = 0
) -> dict[str, list[int]]:
    """Distribute the positions of ``labels`` to train, validation and test, class by class.

    Each class is shuffled and divided by ``ratios``, rounded to whole samples. The share of a class is therefore
    correct to within one sample, and a class with one sample is put into train. Unlike scikit-learn's splitters, this
    works for classes of any size, and the draw (NumPy's frozen ``RandomState``) does not change between versions.

    Args:
        labels: Class of each sample; ``None`` is a separate class.
        ratios: Shares of train, validation and test; they add up to 1.
        seed: Seed of the shuffles.

    Returns:
        Ascending positions by split; each position occurs once.

    Raises:
        DataError: If ratios are negative or do not add up to 1.
    """
    if min(ratios) < 0 or abs(sum(ratios) - 1) > 1e-6:
        raise DataError(f"split ratios {ratios} must not be negative and must add up to 1")
    members: dict[Hashable, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    random = np.random.RandomState(seed)
    parts: dict[str, list[int]] = {split: [] for split in SPLITS}
    for label in sorted(members, key=str):
        shuffled = [members[label][i] for i in random.permutation(len(members[label]))]
        validation = round(len(shuffled) * ratios[1])
        test = min(round(len(shuffled) * ratios[2]), len(shuffled) - validation)
        parts["validation"] += shuffled[:validation]
        parts["test"] += shuffled[validation : validation + test]
        parts["train"] += shuffled[validation + test :]
    return {split: sorted(positions) for split, positions in parts.items()}


def fold_numbers(splits_dir: Path) -> list[int]:
    """Return the numbers of the ``fold_<k>`` folders in ``splits_dir``, in ascending order."""
    if not splits_dir.is_dir():
        return []
    matches = (re.fullmatch(r"fold_?(\d+)", entry.name) for entry in splits_dir.iterdir() if entry.is_dir())
    return sorted(int(match.group(1)) for match in matches if match)


def read_fold(splits_dir: Path, fold: int) -> dict[str, list[str]]:
    """Return the ids by split from ``fold_<k>/{train,val,test}.txt``, which have one id per line.

    Raises:
        DataError: If the fold or a file is missing, or an id is in two parts of the fold.
    """
    folders = [folder for folder in (splits_dir / f"fold_{fold}", splits_dir / f"fold{fold}") if folder.is_dir()]
    if not folders:
        known = ", ".join(map(str, fold_numbers(splits_dir))) or "none"
        raise DataError(f"{splits_dir}: no fold {fold}; folds there: {known}")
    ids: dict[str, list[str]] = {}
    owner: dict[str, str] = {}
    for split, name in _FOLD_FILES.items():
        path = folders[0] / name
        if not path.is_file():
            raise DataError(f"{path}: fold file not found; a fold has train.txt, val.txt and test.txt")
        ids[split] = path.read_text(encoding="utf-8-sig").split()
        for id in ids[split]:
            if owner.setdefault(id, split) != split:
                raise DataError(f"{path}: id {id} is also in the {owner[id]} part of this fold")
    return ids


def subset(corpus: Corpus, n: int, seed: int = 0) -> Corpus:
    """Draw at most ``n`` samples of each split and of the unlabelled pairs, stratified by class.

    Each class of a split keeps at least one sample if ``n`` allows it.

    Raises:
        DataError: If ``n`` is below 1.
    """
    if n < 1:
        raise DataError(f"a subset needs at least 1 sample per split, got {n}")
    splits = DatasetDict({name: _draw(split, n, seed, corpus.targets) for name, split in corpus.splits.items()})
    unlabelled = corpus.unlabelled if corpus.unlabelled is None else _draw(corpus.unlabelled, n, seed, corpus.targets)
    facts = {**corpus.facts, "subset": {"n": n, "seed": seed}}
    return replace(corpus, splits=splits, unlabelled=unlabelled, facts=facts)


def training_subset(corpus: Corpus, n: int, seed: int = 0) -> Corpus:
    """Draw at most ``n`` training samples, stratified by class; other splits and unlabelled pairs stay whole.

    With the same seed, a smaller draw is part of a larger one, up to the rounding of the classes' shares.

    Raises:
        DataError: If ``n`` is below 1.
    """
    if n < 1:
        raise DataError(f"a subset needs at least 1 training sample, got {n}")
    splits = DatasetDict(
        {
            name: _draw(split, n, seed, corpus.targets) if name == "train" else split
            for name, split in corpus.splits.items()
        }
    )
    return replace(corpus, splits=splits, facts={**corpus.facts, "training subset": {"n": n, "seed": seed}})


def _draw(split: Dataset, n: int, seed: int, targets: Sequence[Target]) -> Dataset:
    if len(split) <= n:
        return split
    labels = strata(split, targets)
    members: dict[Hashable, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    quota = _quota({label: len(positions) for label, positions in members.items()}, n)
    random = np.random.RandomState(seed)
    kept: list[int] = []
    for label in sorted(members, key=str):
        kept += [members[label][i] for i in random.permutation(len(members[label]))[: quota[label]]]
    return split.select(sorted(kept))


def _quota(sizes: Mapping[Hashable, int], n: int) -> dict[Hashable, int]:
    """Distribute ``n`` to classes in proportion to their sizes by largest remainder, at least one each if possible."""
    total = sum(sizes.values())
    exact = {label: n * size / total for label, size in sizes.items()}
    quota = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(sizes, key=lambda label: (quota[label] - exact[label], str(label)))
    for label in by_remainder[: n - sum(quota.values())]:
        quota[label] += 1
    for label in sizes:
        largest = max(quota, key=lambda other: quota[other])
        if quota[label] == 0 and quota[largest] > 1:
            quota[label], quota[largest] = 1, quota[largest] - 1
    return quota
