"""The simulation beside cases computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from benchmarks.cluster.simulate import Cluster, Outcome, simulate
from hypothesis import given
from hypothesis import strategies as st

TIMES = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30)


def run(seconds: list[float], cluster: Cluster, read: float = 0.0, losses: np.ndarray | None = None) -> Outcome:
    return simulate(np.array(seconds), np.full(len(seconds), read), cluster, losses)


@pytest.mark.parametrize(("machines", "workers"), [(1, 1), (3, 1), (2, 2), (10, 1), (16, 2)])
def test_equal_shards_come_in_waves(machines: int, workers: int) -> None:
    outcome = run([60.0] * 10, Cluster(machines, workers, start_up=5.0))
    assert outcome.wall == pytest.approx(5 + 60 * math.ceil(10 / (machines * workers)))
    assert outcome.useful == pytest.approx(600)
    assert outcome.start_up == pytest.approx(5 * machines * workers)


def test_one_long_shard_at_the_end_keeps_the_others_waiting() -> None:
    outcome = run([1.0, 1, 1, 1, 10], Cluster(2))
    assert (outcome.wall, outcome.useful, outcome.idle) == pytest.approx((12, 14, 10))


def test_a_lost_shard_waits_for_the_next_round() -> None:
    losses = np.full((4, 3), np.nan)
    losses[0, 1] = 0.5
    outcome = run([10.0, 10, 10], Cluster(2, start_up=2.0), losses=losses)
    # The second worker is lost at 7, is back at 9 and ends the third shard at 19; a round of 2 + 10 seconds follows.
    assert (outcome.wall, outcome.lost, outcome.start_up) == pytest.approx((31, 5, 10))
    assert outcome.given_up == 0


def test_what_is_lost_in_every_round_is_given_up() -> None:
    outcome = run([10.0], Cluster(1), losses=np.full((4, 1), 0.25))
    assert (outcome.wall, outcome.useful, outcome.lost, outcome.given_up) == pytest.approx((10, 0, 10, 1))


@pytest.mark.parametrize(
    ("cluster", "wall"),
    [
        # 800 bytes at 100 a second, whoever reads them.
        (Cluster(4, shared_bandwidth=100.0), 8),
        (Cluster(8, shared_bandwidth=100.0), 8),
        # Each machine reads 400 bytes, or has 100 bytes in each of two workers at a time.
        (Cluster(2, machine_bandwidth=50.0), 8),
        (Cluster(2, 2, machine_bandwidth=50.0), 8),
        # Computing takes longer than reading.
        (Cluster(2, shared_bandwidth=1000.0), 4),
    ],
)
def test_bandwidth_is_a_ceiling(cluster: Cluster, wall: float) -> None:
    outcome = run([1.0] * 8, cluster, read=100.0)
    assert outcome.wall == pytest.approx(wall)
    assert outcome.useful == pytest.approx(8)
    assert outcome.reading == pytest.approx(wall * cluster.machines * cluster.workers - 8)


def test_bandwidth_is_shared_among_those_that_read() -> None:
    # At first each has 50 bytes a second; when the short shard ends, the long one has read half of its 200 bytes.
    outcome = simulate(np.zeros(2), np.array([100.0, 200.0]), Cluster(2, shared_bandwidth=100.0))
    assert (outcome.wall, outcome.reading, outcome.idle) == pytest.approx((3, 5, 1))


@given(TIMES, st.integers(1, 8), st.integers(1, 3), st.floats(0, 10), st.floats(0.5, 50.0), st.data())
def test_every_second_is_accounted_for(
    seconds: list[float], machines: int, workers: int, start_up: float, bandwidth: float, data: st.DataObject
) -> None:
    parts = st.one_of(st.just(math.nan), st.floats(0.0, 1.0))
    losses = np.array([data.draw(st.lists(parts, min_size=len(seconds), max_size=len(seconds))) for _ in range(2)])
    cluster = Cluster(machines, workers, start_up, bandwidth, 3 * bandwidth)
    o = run(seconds, cluster, read=10.0, losses=losses)
    assert o.useful + o.start_up + o.reading + o.lost + o.idle == pytest.approx(o.wall * machines * workers, abs=1e-6)
    ended = [s for s, lost in zip(seconds, losses.T, strict=True) if np.isnan(lost).any()]
    assert o.useful == pytest.approx(sum(ended), abs=1e-6)
    assert o.wall * (1 + 1e-9) + 1e-6 >= max(ended, default=0)
    assert o.wall * (1 + 1e-9) + 1e-6 >= sum(ended) / (machines * workers)
    assert o.wall * (1 + 1e-9) + 1e-6 >= 10.0 * len(ended) / (3 * bandwidth)


@given(TIMES, st.integers(1, 8), st.floats(0, 10), st.data())
def test_without_a_ceiling_more_machines_are_never_slower(
    seconds: list[float], machines: int, start_up: float, data: st.DataObject
) -> None:
    lost = st.one_of(st.just(math.nan), st.floats(0.0, 1.0))
    losses = np.array([data.draw(st.lists(lost, min_size=len(seconds), max_size=len(seconds))) for _ in range(3)])
    few, more = (run(seconds, Cluster(n, 1, start_up), losses=losses) for n in (machines, machines + 1))
    assert more.wall <= few.wall + 1e-5
