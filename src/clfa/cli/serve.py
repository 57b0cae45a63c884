"""``clfa serve``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from clfa.cli.scaling import Address, WorkerCpus, WorkerGpus, Workers, cluster_options
from clfa.devices import AUTO_PRECISION
from clfa.errors import ModelError
from clfa.nearest import did_you_mean
from clfa.terminal import echo


def serve(
    run: Annotated[
        str,
        typer.Argument(help="Run folder, model directory or hub id; with --engine onnx or openvino an export."),
    ],
    host: Annotated[str, typer.Option(help="Address to listen on. The default is this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 for any free one.", min=0, max=65535)] = 8000,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token that requests must have.", show_default=False)
    ] = None,
    host_name: Annotated[
        list[str] | None,
        typer.Option(help="Name under which the service is called, beside localhost and plain addresses; repeatable."),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(
            help="torch; onnx or openvino for an export (see `clfa export onnx --help`); or ray: replicas on a cluster."
        ),
    ] = "torch",
    precision: Annotated[str, typer.Option(help=f"auto, fp32 or bf16. {AUTO_PRECISION}")] = "auto",
    address: Address = None,
    workers: Workers = None,
    worker_cpus: WorkerCpus = None,
    worker_gpus: WorkerGpus = None,
    max_body_mb: Annotated[float | None, typer.Option(help="Megabytes of a request.", show_default="32")] = None,
    max_pixels: Annotated[int | None, typer.Option(help="Pixels of a picture.", show_default="25000000")] = None,
    max_characters: Annotated[int | None, typer.Option(help="Characters of a text.", show_default="10000")] = None,
    max_posts: Annotated[int | None, typer.Option(help="Posts of a request.", show_default="64")] = None,
    max_waiting: Annotated[
        int | None, typer.Option(help="Posts and pictures that wait; more are refused (503).", show_default="256")
    ] = None,
    max_connections: Annotated[int | None, typer.Option(help="Open connections.", show_default="512")] = None,
    max_batch: Annotated[int | None, typer.Option(help="Posts computed together.", show_default="32")] = None,
    max_wait_ms: Annotated[
        float | None, typer.Option(help="Milliseconds that a batch waits for more posts.", show_default="5")
    ] = None,
) -> None:
    """Serve a trained model: a page for people at /, and POST /v1/predict for programs (OpenAPI at /openapi.json).

    Also /healthz, /readyz and, for Prometheus, /metrics. Requests of several clients are computed together. Nothing
    that a request names is opened: pictures come as bytes. The log has no content of posts. SIGTERM ends the service
    when the requests that are there are answered; SIGHUP loads the model again. It needs the extra `serve`: pip
    install 'clfa[serve]'. With --engine ray this process takes the requests, and replicas (--workers) on the machines
    of a Ray cluster compute the answers: pip install 'clfa[ray-serve,serve]' on each.

    Examples:

        clfa serve runs/mine

        clfa serve runs/mine --host 0.0.0.0 --port 80 --token-file token.txt --host-name posts.example.org

        clfa serve runs/mine --engine ray --address auto --workers 4
    """
    from clfa.runs.trained_place import require_trained
    from clfa.serving.engines import SERVING_ENGINES

    if engine not in SERVING_ENGINES:
        known = SERVING_ENGINES.names()
        hint = did_you_mean(engine, known)
        raise typer.BadParameter(f"--engine is {engine!r}; choose one of {', '.join(known)}.{hint}")
    if precision not in ("auto", "fp32", "bf16"):
        raise typer.BadParameter(f"--precision is {precision!r}; choose one of auto, fp32, bf16.")
    missing = [
        name for name in ("fastapi", "uvicorn", "python_multipart", "prometheus_client") if find_spec(name) is None
    ]
    if missing:
        raise ModelError(f"the service needs {' and '.join(missing)}; pip install 'clfa[serve]'.")
    given = {
        "max_body_bytes": None if max_body_mb is None else int(max_body_mb * 1_000_000),
        "max_pixels": max_pixels,
        "max_characters": max_characters,
        "max_posts": max_posts,
        "max_waiting": max_waiting,
        "max_connections": max_connections,
        "max_batch": max_batch,
        "max_wait_ms": max_wait_ms,
    }
    settings = _settings({name: value for name, value in given.items() if value is not None}, host_name or [])
    from clfa.serving.security import read_token

    token = None if token_file is None else read_token(token_file)
    from clfa.serving.engines.base import Order

    order = Order(
        model=run,
        precision=precision,  # type: ignore[arg-type]
        settings=settings,
        host=host,
        port=port,
        token=token,
        cluster=cluster_options(address, workers, worker_cpus, worker_gpus),
        on_start=lambda address: echo(f"{run} is served at {address}"),
    )
    server = SERVING_ENGINES.get(engine)()
    server.check(order)
    require_trained(run)
    server.serve(order)


def _settings(given: dict[str, Any], names: list[str]) -> Any:
    from pydantic import ValidationError

    from clfa.serving.settings import Settings

    try:
        return Settings(**given, hosts=tuple(names))
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).replace("_", "-").replace("max-body-bytes", "max-body-mb")
        raise typer.BadParameter(f"--{option}: {first['msg']}.") from None
