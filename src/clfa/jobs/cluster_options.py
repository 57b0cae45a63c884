"""Cluster options given by the caller."""

from __future__ import annotations

from dataclasses import dataclass

from clfa.errors import Argument, ModelError


@dataclass(frozen=True)
class ClusterOptions:
    """Options of engines that run on a cluster; ``None`` for options that were not given.

    Args:
        address: Address of the cluster.
        workers: Number of workers; each loads the model.
        worker_cpus: Number of CPUs per worker.
        worker_gpus: Number of GPUs per worker.
    """

    address: str | None = None
    workers: int | None = None
    worker_cpus: float | None = None
    worker_gpus: float | None = None

    def given(self) -> dict[str, object]:
        """Return the options that were given."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def refuse(self, engine: str) -> None:
        """Check that no option was given, for an engine that runs in this process.

        Args:
            engine: Name of the engine.

        Raises:
            ModelError: If an option was given; the message names it.
        """
        for name in self.given():
            raise ModelError(Argument(name), f" is not for engine {engine!r}, which works in this process.")
