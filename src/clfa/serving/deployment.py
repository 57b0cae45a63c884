"""Replicas of the service on a Ray cluster, for as long as a context lasts."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from clfa.errors import Argument
from clfa.jobs.cluster import PATIENCE_S, RayCluster, fitting, wait_for_room, worker_environment
from clfa.jobs.trouble import ClusterError
from clfa.serving.front import Front
from clfa.serving.replica import Replica
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings

# gRPC refuses messages of more than 4 MB by default; bodies are bounded by the settings.
_MESSAGE_BYTES = {"RAY_SERVE_REPLICA_GRPC_MAX_MESSAGE_LENGTH": str(2**31 - 1)}
# A dead replica is noticed within this time, and one that does not answer after the second.
_HEALTH_PERIOD_S, _HEALTH_TIMEOUT_S = 2.0, 30.0


def require_serve() -> Any:
    """Return the module ``ray.serve``.

    Raises:
        ClusterError: If it is not installed.
    """
    os.environ.update(_MESSAGE_BYTES)
    try:
        from ray import serve
    except ImportError as error:
        raise ClusterError(
            Argument("engine", "ray"), " needs Ray Serve, on every machine: pip install 'clfa[ray-serve,serve]'."
        ) from error
    return serve


@contextmanager
def deployed(
    ray: Any, cluster: RayCluster, name: str, load: Callable[[], ServedModel], settings: Settings
) -> Iterator[Front]:
    """Yield the front of replicas that are ready; at the end they finish what they compute, and are gone.

    Args:
        ray: The module, connected.
        cluster: Number of replicas and what each needs.
        name: Name of the application; one with this name, left by a process that was killed, is replaced.
        load: Returns the model; runs in each replica.
        settings: Bounds. Those of waiting and of batches hold for each replica.

    Raises:
        ClusterError: If the cluster has no room for the replicas, or they cannot load the model.
    """
    serve = require_serve()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    gpus = cluster.worker_gpus(ray)
    room = wait_for_room(lambda: fitting(ray, cluster.cpus, gpus))
    own = not _is_running(ray)
    # Requests come through the front; no other address is opened for them.
    serve.start(proxy_location="Disabled")
    try:
        if name in serve.status().applications:
            serve.delete(name)
        deployment = serve.deployment(Replica).options(
            num_replicas=cluster.workers or room,
            ray_actor_options={
                "num_cpus": cluster.cpus,
                "num_gpus": gpus,
                "runtime_env": {"env_vars": worker_environment() | _MESSAGE_BYTES},
            },
            user_config=settings.model_dump(mode="json"),
            # Never reached: connections bound the requests, and a replica refuses what waits too long itself.
            max_ongoing_requests=settings.max_connections,
            graceful_shutdown_wait_loop_s=0.2,
            graceful_shutdown_timeout_s=settings.shutdown_seconds,
            health_check_period_s=_HEALTH_PERIOD_S,
            health_check_timeout_s=_HEALTH_TIMEOUT_S,
            logging_config={"log_level": "WARNING", "enable_access_log": False},
        )
        target = serve.RunTarget(deployment.bind(load), name, route_prefix=None)
        (handle,) = serve.run_many(
            [target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False
        )
        _wait_until_running(serve, name)
        # By value, so that bodies stay out of Ray's object store, which writes to the disk when it is full.
        yield Front(handle.options(_by_reference=False), settings, _lost())
    finally:
        serve.delete(name)
        if own and not serve.status().applications:
            serve.shutdown()


def _is_running(ray: Any) -> bool:
    """Return whether Ray Serve is running on the cluster already, for somebody else."""
    actors = ray.util.list_named_actors(all_namespaces=True)
    return any(one["namespace"] == "serve" for one in actors)


def _wait_until_running(serve: Any, name: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while True:
        found = serve.status().applications[name]
        if found.status == "RUNNING":
            return
        messages = [found.message, *(one.message for one in found.deployments.values())]
        if found.status == "DEPLOY_FAILED":
            raise ClusterError(f"a replica cannot load the model: {_reason(messages)}")
        if time.monotonic() > end:
            raise ClusterError(f"the replicas were not ready within {PATIENCE_S:.0f} s: {_reason(messages)}")
        time.sleep(0.2)


def _reason(messages: list[str]) -> str:
    """Return the last line of the longest message, which is that of the error, without its type."""
    lines = max(messages, key=len).strip().splitlines() or ["no reason is known"]
    return re.sub(r"^[\w.]+(?:Error|Exception): ", "", lines[-1].strip())


def _lost() -> tuple[type[Exception], ...]:
    """Return what is raised where a replica is lost or out of reach, which the error of a replica's code is not."""
    import grpc
    from ray.exceptions import RayActorError
    from ray.serve.exceptions import RayServeException

    return RayActorError, RayServeException, grpc.RpcError
