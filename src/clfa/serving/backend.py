"""What the application asks of whatever answers behind it: a model in this process, or replicas on other machines."""

from __future__ import annotations

from typing import Protocol

from clfa.serving.bodies import Bodies
from clfa.serving.metrics import Metrics
from clfa.serving.schemas import BatchAnswer, ModelInfo, OneAnswer
from clfa.serving.settings import Settings


class Backend(Protocol):
    """Answer requests.

    Attributes:
        settings: Bounds.
        metrics: Figures of this process.
        bodies: Bodies in memory.
    """

    settings: Settings
    metrics: Metrics
    bodies: Bodies

    async def start(self) -> None:
        """Prepare for requests.

        Raises:
            CLFAError: If it cannot.
        """

    async def close(self) -> None:
        """End; what is computed is finished."""

    async def reload(self) -> bool:
        """Load the model again, and return whether it could be loaded."""

    def require_ready(self) -> object:
        """Check that requests are taken.

        Raises:
            Refusal: If they are not.
        """

    async def check_ready(self) -> None:
        """Check that requests are answered, and ask where they are answered if that is elsewhere.

        Raises:
            Refusal: If they are not.
        """

    def info(self) -> ModelInfo:
        """Return what clients may know of the model.

        Raises:
            Refusal: If it is not ready.
        """

    async def figures(self) -> bytes:
        """Return all figures in Prometheus' text format."""

    async def answer(self, content_type: str, body: bytes) -> OneAnswer | BatchAnswer:
        """Return the answer to a request.

        Args:
            content_type: The header.
            body: The whole body.

        Raises:
            Refusal: If there is none.
        """
