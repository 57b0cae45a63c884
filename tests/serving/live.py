"""A real server on this machine, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_PROGRAM = """
import json, sys, time
from clfa.serving.run import serve
from clfa.serving.served_model import ServedModel
from clfa.serving.settings import Settings
from clfa.terminal import log_to_stderr
import logging

run, settings, pause = sys.argv[1], json.loads(sys.argv[2]), float(sys.argv[3])
log_to_stderr(logging.INFO)

class Slow(ServedModel):
    def predict(self, posts):
        time.sleep(pause)
        return super().predict(posts)

serve(lambda: Slow.load(run), Settings(**settings), port=0, on_start=lambda address: print(address, flush=True))
"""


@dataclass
class Live:
    """A server: its address, process and what it has logged."""

    port: int
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@contextmanager
def live(run: Path, pause: float = 0, **settings: object) -> Iterator[Live]:
    """Serve a run until the context ends."""
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(run), json.dumps(settings), str(pause)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    assert process.stderr is not None
    log: list[str] = []
    reading = threading.Thread(target=lambda: log.extend(process.stderr or ()), daemon=True)
    reading.start()
    found = re.search(r":(\d+)$", process.stdout.readline())
    assert found, log
    try:
        yield Live(int(found[1]), process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        reading.join(5)
