"""Parts of a benchmark in processes of their own that are cut when they take too long."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def limited(name: str, options: Mapping[str, Any], seconds: float, environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the result of a part, or ``{"not measured": reason}``.

    Args:
        name: A function of :mod:`benchmarks.gpu.parts`.
        options: Its keyword arguments; plain JSON.
        seconds: Time after which the part and all processes that it started are killed.
        environment: Added to this process's.
    """
    with tempfile.TemporaryDirectory() as folder:
        result, log = Path(folder) / "result.json", Path(folder) / "log.txt"
        command = [sys.executable, "-m", "benchmarks.gpu.parts", name, json.dumps(options), str(result)]
        with open(log, "wb") as file:
            child = subprocess.Popen(
                command, stdout=file, stderr=file, start_new_session=True, env={**os.environ, **environment}
            )
        try:
            code = child.wait(timeout=max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            return {"not measured": f"cut after {seconds:.0f} s"}
        finally:
            _end(child)
        if code != 0:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            return {"not measured": f"failed: {' '.join(last) or f'exit code {code}'}"}
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a process and those of its group; at first gently: torchrun's workers are in groups of their own."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=10)
