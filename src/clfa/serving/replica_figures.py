"""The figures of several replicas in one text for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prometheus_client import Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily


@dataclass(frozen=True)
class _Joined:
    """Figures of the front, and those of each replica under its name; a collector of Prometheus' client."""

    front: Sequence[Metric]
    replicas: Sequence[tuple[str, Sequence[Metric]]]

    def collect(self) -> Iterator[Metric]:
        yield from self.front
        yield GaugeMetricFamily("clfa_replicas", "Replicas that answer.", value=len(self.replicas))
        # By replica and not summed: a sum would fall when a replica is lost, and a counter must not.
        joined: dict[str, Metric] = {}
        for replica, figures in self.replicas:
            for figure in figures:
                whole = joined.setdefault(figure.name, Metric(figure.name, figure.documentation, figure.type))
                for sample in figure.samples:
                    whole.add_sample(sample.name, sample.labels | {"replica": replica}, sample.value)
        yield from joined.values()


def joined_text(front: Sequence[Metric], replicas: Sequence[tuple[str, Sequence[Metric]]]) -> bytes:
    """Return all figures in Prometheus' text format.

    Args:
        front: Figures of the process that takes the requests.
        replicas: Name and figures of each replica.
    """
    return generate_latest(_Joined(front, replicas))
