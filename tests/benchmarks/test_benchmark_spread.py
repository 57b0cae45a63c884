from __future__ import annotations

import pytest
from benchmarks.spread import Spread, alternate, ratios, spread


def test_median_and_quartiles() -> None:
    assert spread([5, 1, 4, 2, 3]) == Spread(3, 2, 4, 5)


def test_few_values_have_extremes_for_quartiles() -> None:
    assert spread([3.0, 1.0]) == Spread(2.0, 1.0, 3.0, 2)


def test_no_values_are_an_error() -> None:
    with pytest.raises(ValueError, match="nothing was repeated"):
        spread([])


def test_ratios_are_of_pairs() -> None:
    # Of the medians it would be 20 / 4.
    assert ratios([10, 20, 60], [1, 10, 4]) == Spread(10, 2, 15, 3)


def test_ratios_need_pairs() -> None:
    with pytest.raises(ValueError, match="2 against 1"):
        ratios([1, 2], [1])


def test_alternation_runs_each_once_per_round_and_drops_the_warm_up() -> None:
    calls: list[str] = []

    def contender(name: str) -> float:
        calls.append(name)
        return float(calls.count(name))

    found = alternate({name: lambda name=name: contender(name) for name in "ab"}, repetitions=8)
    assert found == {"a": [2, 3, 4, 5, 6, 7, 8, 9], "b": [2, 3, 4, 5, 6, 7, 8, 9]}
    rounds = {"".join(calls[i : i + 2]) for i in range(0, len(calls), 2)}
    assert rounds == {"ab", "ba"}
