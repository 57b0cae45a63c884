from __future__ import annotations

import threading

import pytest

from clfa.ahead import prepared_ahead


def test_results_are_in_order_and_each_is_made_once() -> None:
    made: list[int] = []

    def prepare(item: int) -> int:
        made.append(item)
        return item * item

    assert list(prepared_ahead([3, 1, 2], prepare)) == [(3, 9), (1, 1), (2, 4)]
    assert made == [3, 1, 2]
    assert list(prepared_ahead([], prepare)) == []


def test_one_is_prepared_while_the_one_before_is_used_and_no_more() -> None:
    begun = [threading.Event() for _ in range(3)]

    def prepare(item: int) -> int:
        begun[item].set()
        return item

    pieces = prepared_ahead([0, 1, 2], prepare)
    next(pieces)
    assert begun[1].wait(30)
    assert not begun[2].is_set()
    next(pieces)
    assert begun[2].wait(30)


def test_an_error_comes_in_its_place() -> None:
    pieces = prepared_ahead(["1", "x", "3"], int)
    assert next(pieces) == ("1", 1)
    with pytest.raises(ValueError, match="invalid literal"):
        next(pieces)
