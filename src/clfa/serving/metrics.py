"""Figures for Prometheus. No label holds anything that a client sends."""

from __future__ import annotations

from collections.abc import Collection

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_POSTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
# Figures of what takes the requests, and of what computes the answers, where these are different processes.
FRONT_FIGURES = ("clfa_requests", "clfa_request_seconds", "clfa_refused", "clfa_body_bytes")
REPLICA_FIGURES = (
    "clfa_posts",
    "clfa_unusable_posts",
    "clfa_batch_posts",
    "clfa_batch_seconds",
    "clfa_waiting",
    "clfa_reloads",
)


class Metrics:
    """The figures of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("clfa_requests", "Answered requests.", ["path", "status"], registry=self._registry)
        self.seconds = Histogram(
            "clfa_request_seconds",
            "Seconds from a request's first lines to its answer.",
            ["path"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.refused = Counter("clfa_refused", "Refused requests.", ["reason"], registry=self._registry)
        self.posts = Counter("clfa_posts", "Posts with an answer.", registry=self._registry)
        self.unusable = Counter("clfa_unusable_posts", "Posts without an answer.", ["reason"], registry=self._registry)
        self.batch = Histogram(
            "clfa_batch_posts", "Posts that were computed together.", buckets=_POSTS, registry=self._registry
        )
        self.batch_seconds = Histogram(
            "clfa_batch_seconds", "Seconds of a batch.", buckets=_SECONDS, registry=self._registry
        )
        self.waiting = Gauge("clfa_waiting", "Posts and pictures that wait for their answer.", registry=self._registry)
        self.body_bytes = Gauge("clfa_body_bytes", "Bytes of bodies in memory.", registry=self._registry)
        self.reloads = Counter("clfa_reloads", "Reloads of the model.", ["outcome"], registry=self._registry)

    def text(self) -> bytes:
        """Return all figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def figures(self, names: Collection[str]) -> list[Metric]:
        """Return some of the figures.

        Args:
            names: Their names.
        """
        return [one for one in self._registry.collect() if one.name in names]
