"""What happens before and after every request: checks, headers, errors in one shape, figures and one line of a log."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

from clfa.serving.bodies import Disconnected
from clfa.serving.metrics import Metrics
from clfa.serving.refusal import Refusal
from clfa.serving.security import check_host, check_origin, check_token
from clfa.serving.settings import Settings

Message = MutableMapping[str, Any]

logger = logging.getLogger(__name__)

_SECURE_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
# Paths that are closed to pages of other sites, and need the token if there is one. The others hold no post, no model.
_PROTECTED = ("/v1/", "/metrics")


class Guard:
    """Middleware around the application.

    Args:
        app: The application.
        settings: Bounds.
        token: Bearer token that requests must have.
        metrics: Where requests are counted.
    """

    def __init__(self, app: Any, settings: Settings, token: str | None, metrics: Metrics) -> None:
        self._app, self._settings, self._token, self._metrics = app, settings, token, metrics

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _SECURE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            headers = Headers(scope=scope)
            check_host(headers, self._settings.hosts)
            if scope["path"].startswith(_PROTECTED):
                check_origin(headers)
                check_token(headers, self._token)
            await self._app(scope, receive, watched)
        except Refusal as refusal:
            await refused(refusal, self._metrics)(scope, receive, watched)
        except Disconnected:
            status = 499
        except Exception as error:
            _log_fault(error)
            if status:
                # The answer has begun. The server logs what it gets.
                raise RuntimeError("fault") from None
            problem = Refusal("internal_error", "The service has a fault. Tell its owner.")
            await refused(problem, self._metrics)(scope, receive, watched)
        finally:
            self._record(scope, status, time.perf_counter() - started)

    def _record(self, scope: dict[str, Any], status: int, seconds: float) -> None:
        # The path of the route, because what a client writes into a path may be a post.
        path = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(path, status).inc()
        self._metrics.seconds.labels(path).observe(seconds)
        logger.info("%s %d %.0f ms", path, status, 1000 * seconds)


def refused(refusal: Refusal, metrics: Metrics) -> JSONResponse:
    """Return the answer to a refused request, and count it.

    Args:
        refusal: Why it is refused.
        metrics: Where it is counted.
    """
    metrics.refused.labels(refusal.code).inc()
    return JSONResponse({"error": refusal.to_dict()}, refusal.status, refusal.headers)


def _log_fault(error: Exception) -> None:
    """Log where an error was raised, without its message, which may quote a post."""
    places = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)][-4:]
    logger.error("fault: %s at %s", type(error).__name__, " < ".join(reversed(places)))
