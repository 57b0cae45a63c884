from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from class_indices import class_indices
from clfa.data.schema import Corpus
from clfa.data.splits import (
    fold_numbers,
    limit_labels,
    read_fold,
    split_name,
    stratified_split,
    subset,
    training_subset,
)
from clfa.errors import DataError


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train", "train"),
        ("Val", "validation"),
        (" DEV ", "validation"),
        ("test2", "test"),
        ("holdout", None),
        ("训练集", "train"),
        (" 验证", "validation"),
        ("数据", None),
    ],
)
def test_split_name(name: str, expected: str | None) -> None:
    assert split_name(name) == expected


@given(st.lists(st.sampled_from(["a", "b", None]), max_size=200), st.integers(0, 5))
def test_split_is_a_partition_with_class_shares_right_to_one(labels: list[str | None], seed: int) -> None:
    parts = stratified_split(labels, seed=seed)
    assert sorted(position for positions in parts.values() for position in positions) == list(range(len(labels)))
    assert all(positions == sorted(positions) for positions in parts.values())
    for label, size in Counter(labels).items():
        for split, ratio in (("validation", 0.1), ("test", 0.1), ("train", 0.8)):
            count = sum(labels[position] == label for position in parts[split])
            # A small class may give a sample to both other splits.
            assert abs(count - ratio * size) <= (2 if split == "train" and len(labels) < 20 else 1)
    assert parts == stratified_split(labels, seed=seed)


def test_the_draw_is_the_same_for_ever() -> None:
    parts = stratified_split([0, 1] * 10, seed=2022)
    assert (parts["validation"], parts["test"]) == ([5, 8], [14, 17])


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [([5, 5], (8, 1, 1)), ([3] * 40, (96, 12, 12)), ([5], (3, 1, 1)), ([2, 1], (2, 1, 0)), ([1] * 30, (30, 0, 0))],
    ids=["ten rows", "forty classes of three", "one class", "three rows", "no two of a class"],
)
def test_small_classes_leave_no_split_empty(sizes: list[int], expected: tuple[int, int, int]) -> None:
    labels = [str(number) for number, size in enumerate(sizes) for _ in range(size)]
    parts = stratified_split(labels)
    assert tuple(len(parts[name]) for name in ("train", "validation", "test")) == expected
    assert {labels[position] for position in parts["train"]} == set(labels)
    for name in ("validation", "test"):
        assert len({labels[position] for position in parts[name]}) == len(parts[name])
    assert len(stratified_split(labels, ratios=(0.9, 0.1, 0.0))["test"]) == 0


def test_a_single_sample_lands_in_train() -> None:
    assert stratified_split(["only"])["train"] == [0]


@pytest.mark.parametrize("ratios", [(0.5, 0.1, 0.1), (1.2, -0.1, -0.1)])
def test_ratios_are_checked(ratios: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match=r"must not be negative and must add up to 1"):
        stratified_split([0, 1], ratios=ratios)


def write_fold(folder: Path, **parts: str) -> None:
    folder.mkdir(parents=True)
    for name, ids in parts.items():
        (folder / f"{name}.txt").write_text(ids)


def test_read_fold(tmp_path: Path) -> None:
    write_fold(tmp_path / "fold_2", train="1\n2\n", val="3", test="\ufeff4\r\n5\r\n")
    write_fold(tmp_path / "fold10", train="1", val="2", test="3")
    (tmp_path / "other").mkdir()
    assert fold_numbers(tmp_path) == [2, 10]
    assert read_fold(tmp_path, 2) == {"train": ["1", "2"], "validation": ["3"], "test": ["4", "5"]}
    assert read_fold(tmp_path, 10)["test"] == ["3"]
    assert fold_numbers(tmp_path / "gone") == []


def test_broken_folds(tmp_path: Path) -> None:
    write_fold(tmp_path / "fold_1", train="1", val="2")
    with pytest.raises(DataError, match=r"test\.txt: fold file not found"):
        read_fold(tmp_path, 1)
    write_fold(tmp_path / "fold_2", train="1", val="2", test="1")
    with pytest.raises(DataError, match=r"test\.txt: id 1 is also in the train part"):
        read_fold(tmp_path, 2)
    with pytest.raises(DataError, match=r"no fold 7; folds there: 1, 2"):
        read_fold(tmp_path, 7)


def test_subset_keeps_class_shares(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=20, validation=3, test=10, unlabelled=6, images=False)
    small = subset(corpus, 4, seed=1)
    assert {name: len(split) for name, split in small.splits.items()} == {"train": 4, "validation": 3, "test": 4}
    assert Counter(class_indices(small.splits["train"])) == {0: 2, 1: 2}
    assert small.unlabelled is not None
    assert len(small.unlabelled) == 4
    assert small.facts["subset"] == {"n": 4, "seed": 1}
    assert small.splits["train"]["id"][:] == subset(corpus, 4, seed=1).splits["train"]["id"][:]
    assert small.splits["train"]["id"][:] != subset(corpus, 4, seed=2).splits["train"]["id"][:]
    assert len(corpus.splits["train"]) == 20


def test_training_subset_leaves_the_other_splits_whole(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=20, validation=3, test=10, unlabelled=6, images=False)
    small, larger = training_subset(corpus, 4, seed=1), training_subset(corpus, 10, seed=1)
    assert {name: len(split) for name, split in small.splits.items()} == {"train": 4, "validation": 3, "test": 10}
    assert Counter(class_indices(small.splits["train"])) == {0: 2, 1: 2}
    assert small.unlabelled is not None
    assert len(small.unlabelled) == 6
    assert set(small.splits["train"]["id"]) < set(larger.splits["train"]["id"])
    assert set(small.splits["train"]["id"]) != set(training_subset(corpus, 4, seed=2).splits["train"]["id"])
    assert small.facts["training subset"] == {"n": 4, "seed": 1}
    assert len(training_subset(corpus, 99).splits["train"]) == 20
    with pytest.raises(DataError, match="at least 1 training sample, got 0"):
        training_subset(corpus, 0)


def test_other_training_samples_lose_their_labels(make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=20, validation=3, test=10, unlabelled=6, images=False)
    few = limit_labels(corpus, 4, seed=1)
    assert {name: len(split) for name, split in few.splits.items()} == {"train": 4, "validation": 3, "test": 10}
    assert few.splits["train"]["id"][:] == training_subset(corpus, 4, seed=1).splits["train"]["id"][:]
    assert class_indices(few.splits["train"]) == class_indices(training_subset(corpus, 4, seed=1).splits["train"])
    assert corpus.unlabelled is not None
    assert few.unlabelled is not None
    assert few.unlabelled["id"][:6] == corpus.unlabelled["id"][:]
    assert sorted(few.unlabelled["id"][6:] + few.splits["train"]["id"][:]) == sorted(corpus.splits["train"]["id"][:])
    assert few.unlabelled["targets"][:] == [None] * 22
    assert few.facts["labelled subset"] == {"n": 4, "seed": 1}
    alone = limit_labels(make_corpus(train=4, images=False), 1).unlabelled
    assert alone is not None
    assert len(alone) == 3
    assert limit_labels(corpus, 20).unlabelled is corpus.unlabelled
    with pytest.raises(DataError, match="at least 1 training sample must keep its label, got 0"):
        limit_labels(corpus, 0)


def test_subset_of_nothing(make_corpus: Callable[..., Corpus]) -> None:
    with pytest.raises(DataError, match="at least 1 sample per split, got 0"):
        subset(make_corpus(images=False), 0)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(1, 60))
def test_quota_adds_up_and_serves_every_class(sizes: list[int], n: int) -> None:
    from clfa.data.splits import _quota

    n = min(n, sum(sizes))
    quota = _quota(dict(enumerate(sizes)), n)
    assert sum(quota.values()) == n
    assert all(0 <= quota[label] <= size for label, size in enumerate(sizes))
    if n >= len(sizes):
        assert min(quota.values()) >= 1


def test_groups_of_one_do_not_change_the_draw() -> None:
    labels = [0, 1, None, 1, 0] * 40
    for seed in range(5):
        alone = stratified_split(labels, seed=seed, ratios=(0.7, 0.2, 0.1))
        assert stratified_split(labels, seed=seed, ratios=(0.7, 0.2, 0.1), groups=range(200)) == alone


def test_groups_stay_together_and_shares_stay_exact() -> None:
    # 200 posts, of which 20 pairs are equal.
    labels = [0, 1] * 100
    groups = [position - 100 if 100 <= position < 120 else position for position in range(200)]
    homes: Counter[str] = Counter()
    for seed in range(20):
        parts = stratified_split(labels, seed=seed, groups=groups)
        split_of = {position: split for split, positions in parts.items() for position in positions}
        assert all(split_of[position] == split_of[position + 100] for position in range(20))
        counts = {split: Counter(labels[position] for position in positions) for split, positions in parts.items()}
        assert counts == {"train": {0: 80, 1: 80}, "validation": {0: 10, 1: 10}, "test": {0: 10, 1: 10}}
        homes.update(split_of[position] for position in range(20))
    # Pairs are in every split, about as often as the ratios say.
    assert 0.05 < homes["validation"] / 400 < 0.16
    assert 0.05 < homes["test"] / 400 < 0.16


def test_the_draw_of_groups_is_the_same_for_ever() -> None:
    parts = stratified_split([0, 1] * 10, seed=1, groups=[0, 0, 1, 1, *range(4, 20)], ratios=(0.6, 0.2, 0.2))
    assert (parts["validation"], parts["test"]) == ([4, 11, 18, 19], [0, 1, 2, 3])


def test_a_group_that_fits_nowhere_is_put_where_the_fewest_are_too_many() -> None:
    parts = stratified_split([0] * 20, groups=[0] * 15 + list(range(15, 20)), ratios=(0.5, 0.25, 0.25))
    assert parts["train"] == list(range(15))
    assert (parts["validation"], parts["test"]) == ([18, 19], [15, 16, 17])


def test_no_group_is_put_into_a_split_without_a_share() -> None:
    for seed in range(10):
        parts = stratified_split([0] * 10, groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4], ratios=(0.5, 0.5, 0.0), seed=seed)
        assert parts["test"] == []
