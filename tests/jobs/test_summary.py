from __future__ import annotations

import pytest

from clfa.jobs.summary import Summary


def test_counts_are_added_and_examples_are_few() -> None:
    total = Summary()
    for number in range(4):
        part = Summary(3)
        part.labels.update(["good", "bad"][: number + 1])
        for n in range(3):
            part.fail("empty text", f"{number}.{n}")
        total.add(part)
    assert (total.rows, total.labels, total.failures) == (12, {"good": 4, "bad": 3}, {"empty text": 12})
    assert total.examples == [f"{n // 3}.{n % 3}" for n in range(10)]
    assert Summary.from_dict(total.to_dict()) == total


def test_speed_is_that_of_this_run() -> None:
    assert Summary(100, resumed=40, seconds=3.0).rows_per_second == pytest.approx(20)
    assert Summary(100).rows_per_second == 0
