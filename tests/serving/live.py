"""A real server on this machine, in a process of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from clfa.prediction.post import Post
from clfa.serving.run import serve
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings
from clfa.terminal import log_to_stderr
from warm import Program

PATIENCE_S = 120.0


def _serve(run: str, settings: dict[str, Any], pause: float) -> None:
    class Slow(ServedModel):
        def predict(self, posts: Sequence[Post]) -> Any:
            time.sleep(pause)
            return super().predict(posts)

    log_to_stderr(logging.INFO)
    serve(lambda: Slow.load(run), Settings(**settings), port=0, on_start=lambda address: print(address, flush=True))


@dataclass
class Live:
    """A server: its address and process."""

    port: int
    program: Program

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[str]:
        """What it has logged."""
        return self.program.stderr.splitlines()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def send(self, kind: signal.Signals) -> None:
        os.kill(self.program.pid, kind)


@contextmanager
def live(run: Path, pause: float = 0, **settings: object) -> Iterator[Live]:
    """Serve a run until the context ends."""
    with TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        program = Program(_serve, (str(run), settings, pause), work, {"OMP_NUM_THREADS": "1"})
        try:
            end = time.monotonic() + PATIENCE_S
            while not (found := re.search(r":(\d+)$", program.stdout, re.MULTILINE)):
                assert program.running, program.stderr
                assert time.monotonic() < end, program.stderr
                time.sleep(0.05)
            yield Live(int(found[1]), program)
        finally:
            if program.running:
                os.kill(program.pid, signal.SIGTERM)
            # It is killed then.
            with contextlib.suppress(TimeoutError):
                program.wait(20)
