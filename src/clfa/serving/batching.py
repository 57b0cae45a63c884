"""A queue that joins the posts of several requests into batches, in turn: none waits behind a large one."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from clfa.serving.metrics import Metrics

Work = TypeVar("Work")
Result = TypeVar("Result")


class _Request(Generic[Work, Result]):
    """Items of one request that wait, and its results so far."""

    def __init__(self, key: object, items: Sequence[Work]) -> None:
        self.key = key
        self.waiting = deque(enumerate(items))
        self.results: list[Result | Exception | None] = [None] * len(items)
        self.missing = len(items)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def put(self, position: int, result: Result | Exception) -> None:
        self.results[position] = result
        self.missing -= 1
        if not self.missing and not self.done.done():
            self.done.set_result(None)


class Batcher(Generic[Work, Result]):
    """Computes items of several requests together, in one thread.

    A batch takes one item of each request in turn. An error in a batch is tried again item by item, so that it meets
    the item that caused it and no other.

    Args:
        compute: Returns the results of items that were given with an equal key; runs in the thread.
        size: Largest number of items in a batch.
        wait: Seconds that a batch waits for further items.
        metrics: Where batches are counted.
    """

    def __init__(
        self, compute: Callable[[Sequence[Work]], Sequence[Result]], size: int, wait: float, metrics: Metrics
    ) -> None:
        self._compute, self._size, self._wait, self._metrics = compute, size, wait, metrics
        self._requests: deque[_Request[Work, Result]] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "predict")
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to compute."""
        self._loop = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop after the batch that is computed."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown)

    async def __call__(self, items: Sequence[Work], key: object = None) -> list[Result | Exception]:
        """Return the result of each item, or the error that computing it raised.

        Cancelled, it leaves the queue.

        Args:
            items: Items of one request.
            key: Items with different keys are not computed together.
        """
        request: _Request[Work, Result] = _Request(key, items)
        if not items:
            return []
        self._requests.append(request)
        self._arrived.set()
        try:
            await request.done
        except asyncio.CancelledError:
            request.waiting.clear()
            raise
        return [result for result in request.results if result is not None]

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            if self._wait and self._count() < self._size:
                await asyncio.sleep(self._wait)
            taken = self._take()
            if not taken:
                self._arrived.clear()
                continue
            await self._finish(taken)

    def _count(self) -> int:
        return sum(len(request.waiting) for request in self._requests)

    def _take(self) -> list[tuple[_Request[Work, Result], int, Work]]:
        taken: list[tuple[_Request[Work, Result], int, Work]] = []
        later: deque[_Request[Work, Result]] = deque()
        while self._requests and len(taken) < self._size:
            request = self._requests.popleft()
            if not request.waiting:
                continue
            if taken and request.key != taken[0][0].key:
                later.append(request)
                continue
            taken.append((request, *request.waiting.popleft()))
            if request.waiting:
                self._requests.append(request)
        self._requests.extendleft(reversed(later))
        return taken

    async def _finish(self, taken: Sequence[tuple[_Request[Work, Result], int, Work]]) -> None:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        self._metrics.batch.observe(len(taken))
        results = await loop.run_in_executor(self._thread, self._results, [item for _, _, item in taken])
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        for (request, position, _), result in zip(taken, results, strict=True):
            request.put(position, result)

    def _results(self, items: Sequence[Work]) -> list[Result | Exception]:
        try:
            return list(self._compute(items))
        except Exception as error:
            if len(items) == 1:
                return [error]
        return [self._results([item])[0] for item in items]
