"""A pool of worker processes that execute runs, each worker one run after another."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from clfa.experiments.execute import RunOutcome, execute, write_error
from clfa.experiments.orphan import end_with_parent
from clfa.experiments.plan import PlannedRun
from clfa.terminal import log_to_stderr

_spawn = multiprocessing.get_context("spawn")
# Exit code of a process that SIGKILL ended; the signal module names it on POSIX only.
_KILLED = -9


def cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def log_path(directory: Path, run: PlannedRun) -> Path:
    """Return the path of a run's log."""
    return directory / "logs" / f"{run.slug}.log"


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    run: PlannedRun | None = None


def run_all(
    runs: Sequence[PlannedRun], directory: Path, jobs: int, report: Callable[[PlannedRun, RunOutcome], None]
) -> None:
    """Execute runs in ``jobs`` worker processes. A worker that dies is replaced, and its run is recorded as failed.

    Runs that another experiment process is executing are tried again at the end; then the worker waits for them.

    Args:
        runs: The runs, in order.
        directory: The experiment's folder.
        jobs: Number of processes; each gets an equal share of the processor's cores.
        report: Called with every outcome except ``busy``.
    """
    waiting = deque((run, False) for run in runs)
    workers: list[_Worker] = []
    try:
        while waiting or any(worker.run is not None for worker in workers):
            while len(workers) < jobs and sum(worker.run is None for worker in workers) < len(waiting):
                workers.append(_start(directory, jobs))
            for worker in list(workers):
                if worker.run is None and waiting:
                    try:
                        worker.connection.send(waiting[0])
                    except OSError:
                        # The worker died between two runs; it is replaced in the next iteration.
                        workers.remove(worker)
                        continue
                    worker.run, _ = waiting.popleft()
            busy = [worker for worker in workers if worker.run is not None]
            ready = wait([worker.connection for worker in busy])
            for worker in busy:
                if worker.connection not in ready:
                    continue
                done, worker.run = worker.run, None
                assert done is not None
                try:
                    outcome: RunOutcome = worker.connection.recv()
                except (EOFError, ConnectionResetError):
                    outcome = _died(worker, done, directory)
                    workers.remove(worker)
                if outcome.status == "busy":
                    waiting.append((done, True))
                else:
                    report(done, outcome)
    finally:
        for worker in workers:
            if worker.run is not None:
                worker.process.terminate()
            # An idle worker ends when its connection is closed.
            worker.connection.close()
        for worker in workers:
            worker.process.join()


def _start(directory: Path, jobs: int) -> _Worker:
    ours, theirs = _spawn.Pipe()
    process = _spawn.Process(target=_work, args=(theirs, directory, max(1, cores() // jobs)))
    process.start()
    # With this copy closed, the end of the worker closes the connection.
    theirs.close()
    return _Worker(process, ours)


def _died(worker: _Worker, run: PlannedRun, directory: Path) -> RunOutcome:
    worker.process.join()
    code = worker.process.exitcode
    hint = " (killed: out of memory?)" if code == _KILLED else ""
    line = f"the worker process died with exit code {code}{hint}; see {log_path(directory, run)}"
    write_error(directory, run, line)
    return RunOutcome("failed", error=line)


def _work(connection: Connection, directory: Path, threads: int) -> None:
    # The parent process handles Ctrl+C and stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    import torch

    from clfa.experiments.corpora import Corpora

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    corpora = Corpora()
    while True:
        try:
            run, patient = connection.recv()
        except EOFError:
            return
        path = log_path(directory, run)
        path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            log = stack.enter_context(open(path, "a", encoding="utf-8", buffering=1))
            # Progress bars are off, because the log is no terminal.
            stack.enter_context(redirect_stdout(log))
            stack.enter_context(redirect_stderr(log))
            log_to_stderr(logging.INFO, force=True)
            outcome = execute(run, directory, corpora, wait=patient)
            logging.basicConfig(level=logging.INFO, handlers=[logging.NullHandler()], force=True)
        try:
            connection.send(outcome)
        except BrokenPipeError:
            return
