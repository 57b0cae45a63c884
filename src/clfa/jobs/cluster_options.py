"""Options of a cluster, as somebody gave them."""

from __future__ import annotations

from dataclasses import dataclass

from clfa.errors import Argument, ModelError


@dataclass(frozen=True)
class ClusterOptions:
    """Options of engines that compute elsewhere; ``None`` where nobody gave them.

    Args:
        address: Of the cluster.
        workers: How many, each with the model.
        worker_cpus: Processors of each.
        worker_gpus: GPUs of each.
    """

    address: str | None = None
    workers: int | None = None
    worker_cpus: float | None = None
    worker_gpus: float | None = None

    def given(self) -> dict[str, object]:
        """Return the options that somebody gave."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def refuse(self, engine: str) -> None:
        """Check that no option was given to an engine that computes in this process.

        Args:
            engine: Its name.

        Raises:
            ModelError: Naming the option.
        """
        for name in self.given():
            raise ModelError(Argument(name), f" is not for engine {engine!r}, which works in this process.")
