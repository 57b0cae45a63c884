"""Splits into train, validation and test: published fold files, or a seeded stratified draw."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict, concatenate_datasets

from clfa.data.replace_column import replace_column
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
    "训练": "train",
    "训练集": "train",
    "验证": "validation",
    "验证集": "validation",
    "测试": "test",
    "测试集": "test",
}
_FOLD_FILES = {"train": "train.txt", "validation": "val.txt", "test": "test.txt"}


def split_name(name: str) -> str | None:
    """Return the split for a usual name (``"val"``, ``"dev"``, ``"Training"``), or ``None``."""
    return _ALIASES.get(name.strip().lower())


def stratified_split(
    labels: Sequence[Hashable],
    *,
    ratios: tuple[float, float, float] = RATIOS,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> dict[str, list[int]]:
    """Distribute the positions of ``labels`` to train, validation and test, class by class.

    Each class is shuffled and divided by ``ratios``, rounded to whole samples. The share of a class is therefore
    correct to within one sample, and a class with one sample is put into train. Where all classes are so small that a
    split would be empty, it gets its share of all samples from the largest classes, one of each. Unlike scikit-learn's
    splitters, this works for classes of any size, and the draw (NumPy's frozen ``RandomState``) does not change between
    versions.

    Samples of one group stay together. Groups are distributed first, the largest first, each to a split drawn by
    ``ratios`` among those that it fits into with the fewest samples too many of any class; the other samples fill the
    classes' shares. The shares are correct to within one sample where the groups leave enough of these. Without groups
    of several samples the draw is the same as without ``groups``.

    Args:
        labels: Class of each sample; ``None`` is a separate class.
        ratios: Shares of train, validation and test; they add up to 1.
        seed: Seed of the shuffles.
        groups: Group of each sample.

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
    quotas: dict[Hashable, dict[str, int]] = {}
    for label, positions in members.items():
        validation = round(len(positions) * ratios[1])
        test = min(round(len(positions) * ratios[2]), len(positions) - validation)
        quotas[label] = {"train": len(positions) - validation - test, "validation": validation, "test": test}
    _fill_empty(quotas, ratios, len(labels))
    parts = _place_groups(labels, groups or (), quotas, ratios, seed)
    placed = {position for positions in parts.values() for position in positions}
    random = np.random.RandomState(seed)
    for label in sorted(members, key=str):
        shuffled = [members[label][i] for i in random.permutation(len(members[label]))]
        free = [position for position in shuffled if position not in placed]
        validation = max(0, quotas[label]["validation"])
        test = max(0, quotas[label]["test"])
        if validation + test > len(free):
            # Groups have taken train's samples.
            validation = round(len(free) * validation / (validation + test))
        parts["validation"] += free[:validation]
        parts["test"] += free[validation : validation + test]
        parts["train"] += free[validation + test :]
    return {split: sorted(positions) for split, positions in parts.items()}


def _fill_empty(quotas: Mapping[Hashable, dict[str, int]], ratios: tuple[float, float, float], size: int) -> None:
    """Take samples for a split that would be empty, because all classes are small: one of each of the largest classes.

    Each class keeps a sample in train. Classes of equal size are taken in the order of their names.
    """
    for split, ratio in zip(SPLITS, ratios, strict=True):
        if split == "train" or not ratio or any(quota[split] for quota in quotas.values()):
            continue
        able = [quotas[label] for label in sorted(quotas, key=str) if quotas[label]["train"] > 1]
        for quota in sorted(able, key=lambda quota: -quota["train"])[: max(1, round(size * ratio))]:
            quota["train"] -= 1
            quota[split] += 1


def _place_groups(
    labels: Sequence[Hashable],
    groups: Sequence[Hashable],
    quotas: dict[Hashable, dict[str, int]],
    ratios: tuple[float, float, float],
    seed: int,
) -> dict[str, list[int]]:
    """Return the positions of the groups of several samples by split, and subtract them from ``quotas``."""
    members: dict[Hashable, list[int]] = {}
    for position, group in enumerate(groups):
        members.setdefault(group, []).append(position)
    several = [positions for positions in members.values() if len(positions) > 1]
    # A generator of its own, so that the draw of the other samples does not depend on the groups.
    random = np.random.RandomState(seed)
    several = [several[i] for i in random.permutation(len(several))]
    parts: dict[str, list[int]] = {split: [] for split in SPLITS}
    for positions in sorted(several, key=len, reverse=True):
        counts = Counter(labels[position] for position in positions)
        excess = {
            split: sum(max(0, count - max(0, quotas[label][split])) for label, count in counts.items())
            for split, ratio in zip(SPLITS, ratios, strict=True)
            if ratio > 0
        }
        fitting = [split for split in excess if excess[split] == min(excess.values())]
        shares = np.array([ratios[SPLITS.index(split)] for split in fitting])
        chosen = fitting[random.choice(len(fitting), p=shares / shares.sum())]
        parts[chosen] += positions
        for label, count in counts.items():
            quotas[label][chosen] -= count
    return parts


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


def limit_labels(corpus: Corpus, n: int, seed: int = 0) -> Corpus:
    """Let at most ``n`` training samples keep their labels, stratified by class; the others become unlabelled pairs.

    The labelled samples are those that :func:`training_subset` draws with the same seed.

    Raises:
        DataError: If ``n`` is below 1.
    """
    if n < 1:
        raise DataError(f"at least 1 training sample must keep its label, got {n}")
    facts = {**corpus.facts, "labelled subset": {"n": n, "seed": seed}}
    train = corpus.splits["train"]
    labelled = _positions(train, n, seed, corpus.targets)
    others = np.setdiff1d(np.arange(len(train)), labelled)
    if not len(others):
        return replace(corpus, facts=facts)
    freed = replace_column(train.select(others), "targets", [None] * len(others))
    unlabelled = freed if corpus.unlabelled is None else concatenate_datasets([corpus.unlabelled, freed])
    splits = DatasetDict({**corpus.splits, "train": train.select(labelled)})
    return replace(corpus, splits=splits, unlabelled=unlabelled, facts=facts)


def _draw(split: Dataset, n: int, seed: int, targets: Sequence[Target]) -> Dataset:
    return split if len(split) <= n else split.select(_positions(split, n, seed, targets))


def _positions(split: Dataset, n: int, seed: int, targets: Sequence[Target]) -> list[int]:
    """Return the ascending positions of at most ``n`` samples, stratified by class."""
    if len(split) <= n:
        return list(range(len(split)))
    labels = strata(split, targets)
    members: dict[Hashable, list[int]] = {}
    for position, label in enumerate(labels):
        members.setdefault(label, []).append(position)
    quota = _quota({label: len(positions) for label, positions in members.items()}, n)
    random = np.random.RandomState(seed)
    kept: list[int] = []
    for label in sorted(members, key=str):
        kept += [members[label][i] for i in random.permutation(len(members[label]))[: quota[label]]]
    return sorted(kept)


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
