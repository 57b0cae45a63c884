"""Reading of bodies: bounded in bytes and time, and in the memory of all requests together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from clfa.serving.metrics import Metrics
from clfa.serving.refusal import Refusal
from clfa.serving.settings import Settings

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Disconnected(Exception):
    """A client that has gone."""


class Bodies:
    """The bodies that are in memory.

    A body counts with what has arrived, so that a client that only announces a large one takes nothing from others.

    Args:
        settings: Bounds.
        metrics: Where the sum is shown.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._held = 0

    @asynccontextmanager
    async def read(self, headers: Mapping[str, str], receive: Receive) -> AsyncIterator[bytes]:
        """Read a body and hold it in the context.

        Args:
            headers: Headers of the request, in lower case.
            receive: ASGI's.

        Raises:
            Refusal: If it is too large or too slow, or memory is full.
            Disconnected: If the client has gone.
        """
        limit = self._settings.max_body_bytes
        announced = headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            raise self._too_large()
        pieces: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(self._settings.body_seconds):
                    while True:
                        async with asyncio.timeout(self._settings.body_pause_seconds):
                            message = await receive()
                        if message["type"] == "http.disconnect":
                            raise Disconnected
                        piece = message.get("body", b"")
                        if size + len(piece) > limit:
                            raise self._too_large()
                        if self._held + len(piece) > self._settings.max_memory_bytes:
                            raise Refusal("busy", "Too many large requests at a time. Try again.", retry_after=2)
                        self._hold(len(piece))
                        size += len(piece)
                        pieces.append(piece)
                        if not message.get("more_body", False):
                            break
            except TimeoutError:
                raise Refusal("body_too_slow", "The body did not arrive in time. Send a smaller one.") from None
            body = b"".join(pieces)
            pieces.clear()
            yield body
        finally:
            self._hold(-size)

    def _hold(self, size: int) -> None:
        self._held += size
        self._metrics.body_bytes.set(self._held)

    def _too_large(self) -> Refusal:
        limit = self._settings.max_body_bytes
        return Refusal("body_too_large", f"The body has more than {limit:,} bytes. Send fewer or smaller pictures.")
