from __future__ import annotations

from benchmarks.checksums import measure


def test_checksums_are_measured_beside_an_epoch() -> None:
    found = measure(samples=64, repetitions=1)
    assert found["epoch"] > 0
    assert found["share"] == found["checksums"] / found["epoch"]
