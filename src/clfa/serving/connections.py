"""Connections that take the server's time without using it: bounded in number and in patience.

uvicorn waits without end for the first lines of a request, for a client that does not read its answer, and for the rest
of a body that was refused.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from clfa.serving.metrics import Metrics
from clfa.serving.refusal import Refusal
from clfa.serving.settings import Settings


class Connection(H11Protocol):
    """A connection with deadlines. Made by :func:`connection_type`, which gives the bounds."""

    settings: Settings
    metrics: Metrics
    idle_since: float | None = None
    _deadline: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """See :class:`asyncio.Protocol`. Where there are too many, close the one that has been idle longest."""
        super().connection_made(transport)
        self._watch()
        if len(self.connections) <= self.settings.max_connections:
            return
        others = [one for one in self.connections if isinstance(one, Connection) and one is not self]
        idle = [one for one in others if one.idle_since is not None]
        if idle:
            self.metrics.refused.labels("too_many_connections").inc()
            min(idle, key=lambda one: one.idle_since or 0.0).transport.abort()
        else:
            self._refuse(Refusal("too_many_connections", "Too many connections are open. Try again.", retry_after=2))

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        for timer in (self._deadline, self._writing):
            if timer is not None:
                timer.cancel()
        self.idle_since = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`: the client does not take what was sent."""
        super().pause_writing()
        self._writing = self.loop.call_later(self.settings.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn. A client that has not read its answer by now never will."""
        super().timeout_keep_alive_handler()
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn."""
        del msg
        self._refuse(Refusal("malformed_request", "This is no request of HTTP."))

    def _watch(self) -> None:
        """Set the deadline of what is waited for now: the lines of a request, or the rest of a refused body."""
        answered = self.cycle is None or self.cycle.response_complete
        waits = answered and self.conn.their_state is h11.IDLE
        drains = answered and self.conn.their_state is h11.SEND_BODY
        if (waits or drains) and self._deadline is None:
            self.idle_since = self.loop.time() if waits else None
            self._deadline = self.loop.call_later(self.settings.head_seconds, self._too_late)
        elif not (waits or drains) and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = self.idle_since = None

    def _too_late(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(Refusal("body_too_slow", "The request did not arrive in time."))
        self.transport.abort() if self.transport.get_write_buffer_size() else self.transport.close()

    def _refuse(self, refusal: Refusal) -> None:
        """Answer outside of the application, and close."""
        self.metrics.refused.labels(refusal.code).inc()
        body = json.dumps({"error": refusal.to_dict()}).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers | refusal.headers).items())
        if not self.transport.is_closing():
            self.transport.write(f"HTTP/1.1 {refusal.status} Refused\r\n{lines}\r\n".encode() + body)
            self.transport.close()


def connection_type(settings: Settings, metrics: Metrics) -> type[Connection]:
    """Return the protocol for uvicorn.

    Args:
        settings: Bounds.
        metrics: Where refusals are counted.
    """
    return type("BoundConnection", (Connection,), {"settings": settings, "metrics": metrics})
