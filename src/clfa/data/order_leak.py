"""What the ids or the order of samples tell about the labels, without any text or image."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import DatasetDict

from clfa.targets.target import Target, strata

NEIGHBOURS = 15
# Standard errors above the majority class from which a vote counts as clearly better.
_CLEAR = 3.0
_MAX_INT64 = 2**63


@dataclass(frozen=True)
class OrderLeak:
    """Accuracy of a vote of the nearest training samples by id or by place in the file.

    Args:
        split: ``"validation"`` or ``"test"``.
        by: ``"ids"``, or ``"file order"`` where ids are not whole numbers or occur in both splits.
        accuracy: Share of the split's labels that equal the most frequent label of the 15 nearest training samples.
        majority: Share of the split's labels that equal the most frequent label of the training split.
        samples: Number of labelled samples of the split.
    """

    split: str
    by: str
    accuracy: float
    majority: float
    samples: int

    @property
    def clear(self) -> bool:
        """Whether the vote is better than the majority class by more than three standard errors."""
        spread = float(np.sqrt(self.majority * (1 - self.majority) / self.samples))
        return self.accuracy - self.majority > _CLEAR * spread

    def __str__(self) -> str:
        what = "ids" if self.by == "ids" else "places in the file"
        return (
            f"{self.split}: the {NEIGHBOURS} nearest training {what} vote right for {self.accuracy:.1%}, "
            f"the majority class for {self.majority:.1%}"
        )


def order_leaks(splits: DatasetDict, targets: Sequence[Target]) -> list[OrderLeak]:
    """Return what ids or file order tell about the labels of the validation and test split.

    The place of a sample in the file is its place in its split, from 0 to 1: splits that are drawn from one table keep
    its order, and published files are often ordered in the same way.

    Args:
        splits: Validated splits; without a labelled training sample there is nothing to vote.
        targets: Targets of the corpus; the first one is looked at.
    """
    if "train" not in splits:
        return []
    found = []
    train = splits["train"]
    train_labels = strata(train, targets)
    train_ids = _numbers(train["id"][:])
    for name in ("validation", "test"):
        if name not in splits:
            continue
        split = splits[name]
        ids = _numbers(split["id"][:])
        # Ids that occur in both splits are row numbers of two files, which cannot be compared.
        numeric = train_ids is not None and ids is not None and not np.isin(ids, train_ids).any()
        places = (train_ids, ids) if numeric else (_places(len(train)), _places(len(split)))
        leak = _vote(*places, train_labels, strata(split, targets))  # type: ignore[arg-type]
        if leak is not None:
            found.append(OrderLeak(name, "ids" if numeric else "file order", *leak))
    return found


def _vote(
    train: np.ndarray, other: np.ndarray, train_labels: Sequence[Hashable], labels: Sequence[Hashable]
) -> tuple[float, float, int] | None:
    """Return accuracy, share of the majority class and number of samples; ``None`` without labelled samples."""
    classes = sorted({label for label in train_labels if label is not None}, key=str)
    index = {label: number for number, label in enumerate(classes)}
    known = np.array([label is not None for label in train_labels], bool)
    asked = np.array([label is not None for label in labels], bool)
    if not known.any() or not asked.any():
        return None
    # A label that training does not have is never voted for.
    votes = np.array([index[label] for label in train_labels if label is not None])
    truth = np.array([index.get(label, -1) for label in labels if label is not None])
    order = np.argsort(train[known], kind="stable")
    train, votes, other = train[known][order], votes[order], other[asked]
    k = min(NEIGHBOURS, len(train))
    start = np.searchsorted(train, other) - k
    window = start[:, None] + np.arange(2 * k)
    inside = (window >= 0) & (window < len(train))
    window = window.clip(0, len(train) - 1)
    # Subtracted as whole numbers: ids of 18 digits are not exact as float64.
    distance = np.where(inside, np.abs(train[window] - other[:, None]).astype(np.float64), np.inf)
    nearest = np.take_along_axis(window, np.argsort(distance, axis=1, kind="stable")[:, :k], axis=1)
    counts = np.stack([(votes[nearest] == number).sum(axis=1) for number in range(len(classes))], axis=1)
    majority = np.bincount(votes).argmax()
    return float((counts.argmax(axis=1) == truth).mean()), float((truth == majority).mean()), len(truth)


def _numbers(ids: Sequence[str]) -> np.ndarray | None:
    """Return ids that are whole numbers as int64 (N,); ``None`` if one is not."""
    if not all(id.isascii() and id.isdigit() for id in ids):
        return None
    values = [int(id) for id in ids]
    return np.array(values, np.int64) if max(values, default=0) < _MAX_INT64 else None


def _places(count: int) -> np.ndarray:
    return (np.arange(count) + 0.5) / max(count, 1)
