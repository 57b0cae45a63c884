"""The server: uvicorn with bounded connections, a clean end, and a new model on SIGHUP."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from clfa.errors import Argument, CLFAError, DataError
from clfa.serving.app import application
from clfa.serving.backend import Backend
from clfa.serving.connections import connection_type
from clfa.serving.security import is_loopback
from clfa.serving.served_model import ServedModel
from clfa.serving.service import Service
from clfa.serving.settings import Settings

logger = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """uvicorn, which raises the signal that ended it again when all is done; here this is no failure."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """See uvicorn."""
        with super().capture_signals():
            try:
                yield
            finally:
                self._captured_signals.clear()


def serve(
    load: Callable[[], ServedModel],
    settings: Settings,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve until the process is told to end (SIGTERM, SIGINT); requests that are there are answered first.

    SIGHUP loads the model again; requests that wait are answered by the old one.

    Args:
        load: Returns the model.
        settings: Bounds.
        host: Address to listen on.
        port: Port; 0 for a free one.
        token: Bearer token that requests must have.
        on_start: Called with the address when the service is ready.

    Raises:
        DataError: If the address cannot be listened on.
        CLFAError: If the model cannot be loaded.
    """
    # Loaded before the server, so that an error in the model is one line.
    first: list[ServedModel] = [load()]

    def next_model() -> ServedModel:
        return first.pop() if first else load()

    serve_backend(Service(next_model, settings), listen(host, port), token, on_start)


def serve_backend(
    service: Backend,
    listening: socket.socket,
    token: str | None = None,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve what answers, as :func:`serve` does.

    Args:
        service: What answers.
        listening: Socket from :func:`listen`.
        token: Bearer token that requests must have.
        on_start: Called with the address when the service is ready.

    Raises:
        CLFAError: If the service cannot start.
    """
    settings, host = service.settings, listening.getsockname()[0]
    if token is None and not is_loopback(host):
        logger.warning("%s is reached from other machines, and there is no token: anyone there may ask.", host)
    app = application(service, token)
    config = uvicorn.Config(
        app,
        http=connection_type(settings, service.metrics),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=int(max(1, settings.head_seconds)),
        timeout_graceful_shutdown=int(max(1, settings.shutdown_seconds)),
        backlog=1024,
    )
    server = _Server(config)
    asyncio.run(_run(server, listening, service.reload, on_start))


async def _run(
    server: uvicorn.Server,
    listening: socket.socket,
    reload: Callable[[], object],
    on_start: Callable[[str], None] | None,
) -> None:
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[object]] = set()

    def reloading() -> None:
        task: asyncio.Task[object] = loop.create_task(reload())  # type: ignore[arg-type]
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    # Windows has no such signal.
    if (again := getattr(signal, "SIGHUP", None)) is not None:
        loop.add_signal_handler(again, reloading)
    serving = loop.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.02)
    if server.started and on_start is not None:
        host, port = listening.getsockname()[:2]
        on_start(f"http://{f'[{host}]' if ':' in host else host}:{port}")
    await serving
    if not server.started:
        raise CLFAError("the service could not start; the lines above say why.")


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that is bound to an address.

    Args:
        host: Address.
        port: Port; 0 for a free one.

    Raises:
        DataError: If the address cannot be listened on.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, UnicodeError) as error:
        # A name that is not known, or an address of another machine.
        host_is_wrong = isinstance(error, socket.gaierror | UnicodeError) or error.errno == errno.EADDRNOTAVAIL
        other = "host" if host_is_wrong else "port"
        problem = f"cannot listen on {host}:{port}: {getattr(error, 'strerror', None) or error}; give another "
        raise DataError(problem, Argument(other), ".") from error
    return listening
