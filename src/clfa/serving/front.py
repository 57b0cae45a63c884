"""The front of a service whose answers are computed by replicas on a Ray cluster.

It takes the requests with all bounds of :mod:`clfa.serving.run`, which the HTTP proxy of Ray Serve does not have, and
hands each whole body to one replica.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from prometheus_client import Metric

from clfa.serving.backend import Backend
from clfa.serving.bodies import Bodies
from clfa.serving.metrics import FRONT_FIGURES, Metrics
from clfa.serving.refusal import Refusal
from clfa.serving.replica_figures import joined_text
from clfa.serving.schemas import BatchAnswer, ModelInfo, OneAnswer
from clfa.serving.settings import Settings

logger = logging.getLogger(__name__)

# Seconds for a question to all replicas: whether they are there, and their figures.
_ASK_S = 5.0


class Front(Backend):
    """Hand requests to replicas.

    Args:
        handle: Ray Serve's handle of the replicas.
        settings: Bounds.
        lost: Exceptions that the handle raises where a replica is lost or out of reach.
    """

    def __init__(self, handle: Any, settings: Settings, lost: tuple[type[Exception], ...]) -> None:
        self.settings, self.metrics = settings, Metrics()
        self.bodies = Bodies(settings, self.metrics)
        self._handle, self._lost = handle, lost
        self._info: ModelInfo | None = None
        self._ending = False

    async def start(self) -> None:
        """See :class:`clfa.serving.backend.Backend`."""
        self._info = await self._handle.info.remote()

    async def close(self) -> None:
        """See :class:`clfa.serving.backend.Backend`. The replicas end with their deployment."""
        self._ending = True

    async def reload(self) -> bool:
        """See :class:`clfa.serving.backend.Backend`. Each replica keeps its model where it cannot load the new one."""
        done = await self._ask("reload", None)
        logger.info("the model is loaded again by %d replicas of %d", sum(done), len(done))
        try:
            self._info = await self._handle.info.remote()
        except self._lost:
            return False
        return bool(done) and all(done)

    def require_ready(self) -> ModelInfo:
        """See :class:`clfa.serving.backend.Backend`."""
        if self._info is None or self._ending:
            raise Refusal("not_ready", "The model is not ready. Try again.", retry_after=2)
        return self._info

    async def check_ready(self) -> None:
        """See :class:`clfa.serving.backend.Backend`."""
        self.require_ready()
        if not await self._replicas():
            raise Refusal("not_ready", "No replica answers. Try again.", retry_after=2)

    def info(self) -> ModelInfo:
        """See :class:`clfa.serving.backend.Backend`."""
        return self.require_ready()

    async def figures(self) -> bytes:
        """See :class:`clfa.serving.backend.Backend`."""
        return joined_text(self.metrics.figures(FRONT_FIGURES), await self._replicas())

    async def answer(self, content_type: str, body: bytes) -> OneAnswer | BatchAnswer:
        """See :class:`clfa.serving.backend.Backend`."""
        response = self._handle.answer.remote(content_type, body)
        try:
            async with asyncio.timeout(self.settings.answer_seconds):
                found: OneAnswer | BatchAnswer | Refusal = await response
        except TimeoutError:
            response.cancel()
            problem = "The answer was not there in time. Send fewer posts, or try again."
            raise Refusal("timed_out", problem, retry_after=2) from None
        except asyncio.CancelledError:
            response.cancel()
            raise
        except self._lost as error:
            # Not asked again here: a post that ends its replica would end the others, too.
            logger.error("a replica was lost with a request: %s", type(error).__name__)
            problem = "The replica that computed the answer was lost. Try again."
            raise Refusal("replica_lost", problem, retry_after=2) from None
        if isinstance(found, Refusal):
            raise found
        return found

    async def _replicas(self) -> Sequence[tuple[str, Sequence[Metric]]]:
        """Return name and figures of each replica that answers."""
        return await self._ask("figures", _ASK_S)

    async def _ask(self, method: str, seconds: float | None) -> list[Any]:
        """Return what the replicas that can be reached answer."""
        try:
            asked = self._handle.broadcast(method)
            found = await asked.results_async(timeout_s=seconds, return_exceptions=True)
        except TimeoutError:
            return []
        except self._lost:
            return []
        return [one for one in found if not isinstance(one, BaseException)]
