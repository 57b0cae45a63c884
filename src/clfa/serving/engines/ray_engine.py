"""Replicas of the model on the machines of a Ray cluster, behind one address of this process."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from clfa.jobs.cluster import RayCluster, connected
from clfa.prediction.engines.base import Precision
from clfa.prediction.engines.ray_engine import RayEngine
from clfa.serving.deployment import deployed, require_serve
from clfa.serving.engines.base import Order, ServingEngine
from clfa.serving.run import listen, serve_backend
from clfa.serving.served_model import ServedModel


@dataclass(frozen=True)
class LoadServed:
    """Load the model of a service; sent to replicas.

    Args:
        model: Run folder, model directory, export or hub id.
        precision: As of ``clfa predict``.
    """

    model: str
    precision: Precision

    def __call__(self) -> ServedModel:
        """Return the model."""
        return ServedModel.load(self.model, RayEngine.name, self.precision)


class RayReplicas(ServingEngine):
    """Ray Serve, with PyTorch, or ONNX Runtime where the model is an export."""

    name = "ray"

    def check(self, order: Order) -> None:
        """See :class:`clfa.serving.engines.base.ServingEngine`."""
        require_serve()
        RayEngine().check(order.model, order.precision)

    def serve(self, order: Order) -> None:
        """See :class:`clfa.serving.engines.base.ServingEngine`."""
        cluster = RayCluster.of(order.cluster)
        # Before anything is started, so that a port that is taken is one line. The port also names the application.
        with listen(order.host, order.port) as listening, connected(cluster.address) as ray:
            name = f"clfa-{socket.gethostname()}-{listening.getsockname()[1]}"
            # Workers have another working directory.
            model = str(Path(order.model).absolute()) if Path(order.model).exists() else order.model
            load = LoadServed(model, order.precision)
            with deployed(ray, cluster, name, load, order.settings) as front:
                serve_backend(front, listening, order.token, order.on_start)
