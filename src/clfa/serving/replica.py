"""A replica of the service: the model and its own batches in a process of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import Metric

from clfa.serving.metrics import REPLICA_FIGURES
from clfa.serving.refusal import Refusal
from clfa.serving.schemas import BatchAnswer, ModelInfo, OneAnswer
from clfa.serving.served_model import ServedModel
from clfa.serving.service import Service
from clfa.serving.settings import Settings


class Replica:
    """What Ray Serve runs several times; made and awaited by it.

    Args:
        load: Returns the model.
    """

    def __init__(self, load: Callable[[], ServedModel]) -> None:
        self._load = load

    async def reconfigure(self, settings: dict[str, Any]) -> None:
        """Load the model; Ray Serve calls this before the first request.

        Args:
            settings: Bounds, which hold for each replica.

        Raises:
            CLFAError: If the model cannot be loaded.
        """
        self._service = Service(self._load, Settings(**settings))
        await self._service.start()

    async def answer(self, content_type: str, body: bytes) -> OneAnswer | BatchAnswer | Refusal:
        """Return the answer to a request, or why there is none.

        Args:
            content_type: The header.
            body: The whole body.
        """
        try:
            return await self._service.answer(content_type, body)
        except Refusal as refusal:
            return refusal

    async def info(self) -> ModelInfo:
        """Return what clients may know of the model."""
        return self._service.info()

    async def reload(self) -> bool:
        """Load the model again, and return whether it could be loaded."""
        return await self._service.reload()

    async def figures(self) -> tuple[str, list[Metric]]:
        """Return the replica's name and its figures."""
        from ray import serve

        return serve.get_replica_context().replica_id.unique_id, self._service.metrics.figures(REPLICA_FIGURES)
