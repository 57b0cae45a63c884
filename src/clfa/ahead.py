"""Preparation of the next item in another thread while the current one is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def prepared_ahead(items: Sequence[Item], prepare: Callable[[Item], Result]) -> Iterator[tuple[Item, Result]]:
    """Yield items and the results of ``prepare`` in order; another thread prepares the next item.

    An error of ``prepare`` is raised when its result would be yielded.

    Args:
        items: Items to prepare.
        prepare: Function that is called once per item, and never concurrently.

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
