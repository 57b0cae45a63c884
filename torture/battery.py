"""Many small inputs in one process, each with a limit of time and of memory; a process that ends is replaced."""

from __future__ import annotations

import json
import mmap
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from clfa.errors import CLFAError
from torture.tally import Tally

# Seconds that an input may wait on a busy machine.
_WAIT = 60.0
Attempt = Callable[[Random, int], str]
"""Makes the input of a number, tries it and returns what came of it. Errors for users are an outcome, others a fault."""


def random(seed: int, kind: str, number: int) -> Random:
    """Return the random numbers of a trial, so that it can be repeated by itself."""
    return Random(f"{seed}/{kind}/{number}")


def run(
    tally: Tally, attempt: Attempt, numbers: Sequence[int], *, seconds: float, megabytes: float, deadline: float
) -> Tally:
    """Try inputs one after another.

    Args:
        tally: Takes the counts.
        attempt: A trial.
        numbers: Numbers of the trials.
        seconds: Limit of one input, of the processor: waiting is limited by a minute more.
        megabytes: How much more memory one input may take than the process had before the first.
        deadline: ``time.monotonic`` after which no further input is tried.
    """
    begun = time.monotonic()
    place = 0
    while place < len(numbers) and time.monotonic() < deadline:
        place = _process(tally, attempt, numbers, place, seconds, megabytes, deadline)
    tally.seconds += time.monotonic() - begun
    return tally


def _process(
    tally: Tally,
    attempt: Attempt,
    numbers: Sequence[int],
    place: int,
    seconds: float,
    megabytes: float,
    deadline: float,
) -> int:
    """Try inputs from a place on in one process, and return the place of the first one that is not tried."""
    current = mmap.mmap(-1, 8)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            with os.fdopen(writer, "w", buffering=1) as report:
                _try_all(attempt, numbers, place, tally, seconds, megabytes, deadline, current, report)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as lines:
        for line in lines:
            number, outcome, fault, took, grown = json.loads(line)
            if fault:
                tally.fault(number, fault, outcome)
            else:
                tally.note(outcome, took, grown)
            place += 1
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = int.from_bytes(current[:8], "little")
        hung = os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGPROF)
        what = f"over {seconds:g} s" if hung else f"the process ended by signal {os.WTERMSIG(status)}"
        tally.fault(number, what, "hung" if hung else "crashed")
        place += 1
    return place


def _try_all(
    attempt: Attempt,
    numbers: Sequence[int],
    place: int,
    tally: Tally,
    seconds: float,
    megabytes: float,
    deadline: float,
    current: mmap.mmap,
    report: object,
) -> None:
    # The default action: also code that never returns to Python is ended.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    virtual = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (virtual + 4_000_000_000, resource.RLIM_INFINITY))
    before = resident()
    for number in numbers[place:]:
        if time.monotonic() > deadline:
            return
        current[:8] = number.to_bytes(8, "little")
        signal.setitimer(signal.ITIMER_PROF, seconds)
        signal.setitimer(signal.ITIMER_REAL, seconds + _WAIT)
        started, fault = time.process_time(), ""
        try:
            outcome = attempt(random(tally.seed, tally.kind, number), number)
        except CLFAError as error:
            outcome = "refused"
            if "MemoryError" in str(error):
                fault = f"no memory: {error}"
        except BaseException as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            outcome, fault = "error", f"{type(error).__name__}: {error} ({last.filename}:{last.lineno})"[:500]
        took = time.process_time() - started
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        grown = max(0.0, peak() - before)
        if grown > megabytes and not fault:
            outcome, fault = "too much memory", f"{grown:.0f} MB more than before"
        report.write(json.dumps([number, outcome, fault, took, grown]) + "\n")  # type: ignore[attr-defined]
        if grown > megabytes:
            # The highest mark stays: go on in a new process.
            return


def resident() -> float:
    """Return the memory of this process now, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def peak() -> float:
    """Return the most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
