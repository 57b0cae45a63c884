"""The interface of serving engines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from clfa.jobs.cluster_options import ClusterOptions
from clfa.prediction.engines.base import Precision
from clfa.serving.settings import Settings


@dataclass(frozen=True)
class Order:
    """What is served, and where.

    Args:
        model: Run folder, model directory, export or hub id.
        precision: ``auto``, ``fp32`` or ``bf16``.
        settings: Bounds.
        host: Address to listen on.
        port: Port; 0 for a free one.
        token: Bearer token that requests must have.
        cluster: Options of engines that use a cluster.
        on_start: Called with the address when the service is ready.
    """

    model: str
    precision: Precision = "auto"
    settings: Settings = field(default_factory=Settings)
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    on_start: Callable[[str], None] | None = None


class ServingEngine(ABC):
    """Serve a model, in this process or elsewhere. Refuse by name every option without effect.

    Attributes:
        name: In :data:`clfa.serving.engines.SERVING_ENGINES`.
    """

    name: ClassVar[str]

    def check(self, order: Order) -> None:
        """Check an order before anything is loaded.

        Args:
            order: The order.

        Raises:
            CLFAError: If an option was given that has no effect, or a package is missing.
        """
        order.cluster.refuse(self.name)

    @abstractmethod
    def serve(self, order: Order) -> None:
        """Serve until the process is told to end; what is computed is finished first.

        Args:
            order: What and where.

        Raises:
            CLFAError: If the model cannot be loaded, or the address cannot be listened on.
        """
