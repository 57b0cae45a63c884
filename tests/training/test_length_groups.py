from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clfa.training.length_groups import LengthGroupedSampler


@given(
    lengths=st.lists(st.integers(1, 77), max_size=120),
    batch_size=st.integers(1, 9),
    pool=st.integers(1, 5),
    seed=st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_every_sample_once_an_epoch(lengths: list[int], batch_size: int, pool: int, seed: int) -> None:
    sampler = LengthGroupedSampler(lengths, batch_size, pool, seed)
    first = list(sampler)
    assert sorted(first) == list(range(len(lengths)))
    assert len(sampler) == len(lengths)
    assert list(sampler) == first


def test_batches_are_of_like_length_and_come_in_any_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 960)
    sampler = LengthGroupedSampler(lengths.tolist(), 32, pool=10)
    batches = lengths[np.array(list(sampler))].reshape(-1, 32)
    spans = np.ptp(batches, axis=1)
    assert spans.mean() < 9
    assert np.ptp(lengths.reshape(-1, 32), axis=1).mean() > 50
    # Not in waves: neighbours are as far apart as any two batches.
    means = batches.mean(axis=1)
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.4
    sampler.set_epoch(1)
    assert lengths[np.array(list(sampler))].reshape(-1, 32).tolist() != batches.tolist()
