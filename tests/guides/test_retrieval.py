from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.guides import RetrievalReport, retrieval_report
from clfa.guides.retrieval import is_near_chance, retrieval_ranks


def brute_force(texts: np.ndarray, images: np.ndarray) -> list[float]:
    """Mean of best and worst rank that ties allow, counted pair by pair."""
    ranks = []
    for i, text in enumerate(texts):
        cosines = [text @ image / (np.linalg.norm(text) * np.linalg.norm(image)) for image in images]
        best = 1 + sum(c > cosines[i] + 1e-9 for c in cosines)
        worst = sum(c >= cosines[i] - 1e-9 for c in cosines)
        ranks.append((best + worst) / 2)
    return ranks


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_ranks_are_those_of_brute_force(seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    # Small integers: many exact ties and parallel vectors.
    texts, images = (random.integers(-2, 3, (count, 2)).astype(float) for _ in range(2))
    for x in (texts, images):
        x[np.abs(x).sum(axis=1) == 0] = [1.0, 0.0]
    assert retrieval_ranks(texts, images).tolist() == brute_force(texts, images)


def test_more_pairs_than_one_block() -> None:
    random = np.random.default_rng(0)
    texts = random.normal(size=(1500, 4))
    images = texts + random.normal(size=texts.shape)
    ranks = retrieval_ranks(texts, images)
    for i in (0, 1023, 1024, 1499):
        cosines = images @ texts[i] / np.linalg.norm(images, axis=1)
        assert ranks[i] == 1 + (cosines > cosines[i]).sum()


@given(st.integers(0, 10_000), st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_neither_order_nor_scale_of_pairs_matters(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    texts, images = random.normal(size=(2, 20, 3)).astype(np.float32)
    order = random.permutation(20)
    assert retrieval_report(texts, images) == retrieval_report(texts[order], scale * images[order])


def test_report_of_a_perfect_guide() -> None:
    embeds = np.eye(20, dtype=np.float32)
    report = retrieval_report(embeds, embeds)
    assert report == RetrievalReport(candidates=20, rank1=1.0, rank10=1.0, median_rank=1.0)
    assert not report.near_chance
    assert report.to_dict() == {
        "candidates": 20,
        "rank1": 1.0,
        "rank10": 1.0,
        "median_rank": 1.0,
        "chance_median_rank": 10.5,
        "near_chance": False,
    }
    json.dumps(report.to_dict())
    assert str(report) == (
        "text-to-image retrieval among 20: rank 1 100.0% (chance 5.0%), rank 10 100.0%, median rank 1 (chance 10)"
    )


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["zero", "one point"])
def test_a_collapsed_guide_ranks_at_chance(value: float) -> None:
    collapsed = np.full((50, 8), value, np.float32)
    report = retrieval_report(collapsed, collapsed)
    assert report == RetrievalReport(candidates=50, rank1=0.0, rank10=0.0, median_rank=25.5, near_chance=True)
    assert report.near_chance


@pytest.mark.parametrize(("within", "near"), [(41, True), (42, False)])
def test_near_chance_is_what_rules_out_a_useful_guide(within: int, near: bool) -> None:
    # Of 100 fair coins, at most 41 are heads with a probability of 4.4 %, at most 42 with 6.7 %.
    ranks = np.array([40.0] * within + [41.0] * (100 - within))
    assert is_near_chance(ranks) is near


@given(st.permutations(range(1, 7)))
@settings(max_examples=50, deadline=None)
def test_six_pairs_say_little(ranks: list[int]) -> None:
    # Ranks at chance: warn in less than one of twenty cases.
    assert not is_near_chance(np.array(ranks, float))


def test_chance_is_recognised_among_many_pairs() -> None:
    random = np.random.default_rng(0)
    assert is_near_chance(random.integers(1, 501, size=500).astype(float))
    assert not is_near_chance(random.integers(1, 201, size=500).astype(float))


def test_no_pair_is_an_error() -> None:
    empty = np.empty((0, 3), np.float32)
    with pytest.raises(ValueError, match="retrieval needs at least one held-out pair"):
        retrieval_report(empty, empty)
