"""The next piece of work is prepared while this one is being used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prepared_ahead(items: Sequence[Item], prepare: Callable[[Item], Result]) -> Iterator[tuple[Item, Result]]:
    """Items with what ``prepare`` makes of them, in order, one of them prepared ahead by another thread.

    An error of ``prepare`` comes where its result would.

    Args:
        items: What to prepare.
        prepare: Called once for each, never twice at a time.

    Example:
        >>> list(prepared_ahead([1, 2], str))
        [(1, '1'), (2, '2')]
    """
    if not items:
        return
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(prepare, items[0])
        for number, item in enumerate(items):
            result = upcoming.result()
            if number + 1 < len(items):
                upcoming = pool.submit(prepare, items[number + 1])
            yield item, result
