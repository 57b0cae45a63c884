"""Measurements in processes of their own, one round at a time on command.

What is compared lives in separate processes: neither sees the other's imports, threads or memory, and while one works
the other sleeps. A task is a function ``task(channel, **options)`` that prepares, and then reports once per round::

    def task(channel: Channel, samples: int) -> None:
        data = prepare(samples)
        for _ in channel.rounds():
            start = time.perf_counter()
            work(data)
            channel.report(seconds=time.perf_counter() - start)
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import torch

from clfa.runs.resources import peak_memory_mb

_RESULT = "result\t"
_ROOT = Path(__file__).resolve().parent.parent


class ProbeError(RuntimeError):
    """A task failed; the message ends with what its process wrote last."""


class Channel:
    """A task's side: rounds come in, reports go out.

    Args:
        commands: One line per round to carry out; its end is the end of the task.
        results: Where reports go.
    """

    def __init__(self, commands: IO[str], results: IO[str]) -> None:
        self._commands, self._results = commands, results
        self._pending: list[str] = []

    def rounds(self) -> Iterator[int]:
        """Count rounds for as long as more are asked for."""
        number = 0
        while self.wait():
            yield number
            number += 1

    def wait(self) -> bool:
        """Send what was reported, and block until the next round is asked for; ``False`` when none is any more."""
        self.flush()
        return bool(self._commands.readline())

    def report(self, **values: Any) -> None:
        """Answer a round, with the largest resident memory of the process so far.

        The answer is sent when the task waits again: what it does until then must not disturb another's round.
        """
        if "peak_memory_mb" not in values and (peak := peak_memory_mb()) is not None:
            values["peak_memory_mb"] = peak
        if torch.cuda.is_available():
            values.setdefault("peak_gpu_memory_mb", torch.cuda.max_memory_allocated() / 1e6)
        self._pending.append(_RESULT + json.dumps(values) + "\n")

    def flush(self) -> None:
        """Send what was reported."""
        self._results.writelines(self._pending)
        self._results.flush()
        self._pending.clear()


class Probe:
    """A task in a process of its own; use as a context manager.

    Args:
        task: ``module:function`` below ``benchmarks``, for instance ``training:train``.
        options: Keyword arguments of the function; plain JSON.
        environment: Added to this process's.
        threads: Of PyTorch and its libraries there; as here when not given.

    Raises:
        ProbeError: When the task fails.
    """

    def __init__(
        self,
        task: str,
        options: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        threads: int | None = None,
    ) -> None:
        self.task = task
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in __exit__
        paths = [str(_ROOT), str(_ROOT / "src"), os.environ.get("PYTHONPATH", "")]
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"}
        if threads is not None:
            variables["OMP_NUM_THREADS"] = str(threads)
        variables.update(environment or {})
        self.started = time.time()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.probe", task, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=variables,
        )

    def __enter__(self) -> Probe:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=30 if error is None else 1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def ask(self) -> None:
        """Start the next round."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("go\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def answer(self) -> dict[str, Any]:
        """Wait for the report of the round that was started."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(_RESULT):
                report: dict[str, Any] = json.loads(line.removeprefix(_RESULT))
                return report
        raise self._failure()

    def round(self) -> dict[str, Any]:
        """One round and its report."""
        self.ask()
        return self.answer()

    def _failure(self) -> ProbeError:
        self._process.wait()
        self._log.seek(0)
        last = "".join(self._log.readlines()[-15:])
        return ProbeError(f"{self.task} ended with exit code {self._process.returncode}:\n{last}")


def once(task: str, options: Mapping[str, Any], **process: Any) -> dict[str, Any]:
    """The report of a single round in a fresh process."""
    with Probe(task, options, **process) as probe:
        return probe.round()


def main(task: str, options: str) -> None:
    """Run a task in this process: commands on standard input, reports on standard output, all else to the log."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, _, function = task.partition(":")
    work = getattr(importlib.import_module(f"benchmarks.{module}"), function)
    channel = Channel(sys.stdin, results)
    try:
        work(channel, **json.loads(options))
    finally:
        channel.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
