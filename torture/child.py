"""One piece of work in a forked process, which may be killed, starved of space or watched; imports are paid once."""

from __future__ import annotations

import errno
import json
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from clfa.errors import CLFAError

# User and group without rights on files of others.
NOBODY = 65534
# What a process does to the disk, by the names of Python's audit events.
_STEPS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}


@dataclass(frozen=True)
class Trouble:
    """What happens to the process.

    Args:
        kill_after: Seconds after which it is killed (SIGKILL), with its own processes.
        kill_at: Number of the step on the disk before which it is killed.
        full_at: Number of the step on the disk at which no space is left.
        largest_file: Size in bytes above which no file can grow, also in libraries that do not call Python.
        nobody: Whether it has no rights on files of others.
    """

    kill_after: float | None = None
    kill_at: int | None = None
    full_at: int | None = None
    largest_file: int | None = None
    nobody: bool = False


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Args:
        how: ``done``; ``killed`` as planned; ``refused``, with an error for users; ``error``, with any other; ``hung``,
            over its time; ``crashed``, by a signal that nobody sent.
        value: What the work returned.
        message: The error.
        seconds: Duration.
        peak_mb: Largest memory.
        steps: Number of steps on the disk.
    """

    how: str
    value: Any = None
    message: str = ""
    seconds: float = 0.0
    peak_mb: float = 0.0
    steps: int = 0


def run(work: Callable[[], Any], trouble: Trouble | None = None, *, folder: str, limit: float = 120.0) -> Ended:
    """Do a piece of work in a process of its own and return how it ended.

    Args:
        work: A function; what it returns is passed on as JSON.
        trouble: What happens to the process.
        folder: Where the process works.
        limit: Seconds after which it counts as hung.
    """
    trouble = trouble or Trouble()
    reader, writer = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reader)
        _work(work, trouble, folder, writer)
    os.close(writer)
    deadline = limit if trouble.kill_after is None else min(limit, trouble.kill_after)
    content, late = _read(reader, started + deadline)
    if late:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    os.close(reader)
    _, status, used = os.wait4(child, 0)
    seconds, peak = time.monotonic() - started, used.ru_maxrss * 1024 / 1e6
    # What it had started ends with it.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    if content:
        return Ended(**json.loads(content), seconds=seconds, peak_mb=peak)
    if late:
        return Ended("killed" if trouble.kill_after is not None else "hung", seconds=seconds, peak_mb=peak)
    planned = trouble.kill_at is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return Ended("killed" if planned else "crashed", message=f"status {status}", seconds=seconds, peak_mb=peak)


def _read(reader: int, deadline: float) -> tuple[bytes, bool]:
    content = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return b"", True
        piece = os.read(reader, 1 << 16)
        if not piece:
            return content, False
        content += piece
        if content.endswith(b"\n"):
            return content, False


def _work(work: Callable[[], Any], trouble: Trouble, folder: str, writer: int) -> None:
    try:
        os.setsid()
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        os.chdir(folder)
        steps = _watch(trouble)
        if trouble.nobody:
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        if trouble.largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (trouble.largest_file, resource.RLIM_INFINITY))
        try:
            found = {"how": "done", "value": work()}
        except (CLFAError, OSError) as error:
            found = {"how": "refused", "message": f"{type(error).__name__}: {error}"}
        except BaseException as error:
            last = traceback.format_exc().splitlines()[-9:]
            found = {"how": "error", "message": f"{type(error).__name__}: {error}\n" + "\n".join(last)}
        os.write(writer, (json.dumps({**found, "steps": steps[0]}) + "\n").encode())
    finally:
        os._exit(0)


def _watch(trouble: Trouble) -> list[int]:
    """Count the steps on the disk; kill the process or take its space at the given ones."""
    steps = [0]

    def step(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            writes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) if arguments[2] else False
            if not writes or str(arguments[0]).startswith(("/dev/", "/proc/")):
                return
        elif event not in _STEPS:
            return
        steps[0] += 1
        if steps[0] == trouble.kill_at:
            os.killpg(0, signal.SIGKILL)
        # From then on nothing can be made; to remove files and to rename them is still possible.
        if trouble.full_at is not None and steps[0] >= trouble.full_at and event in ("open", "os.mkdir"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(arguments[0]))

    sys.addaudithook(step)
    return steps
