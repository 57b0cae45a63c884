"""``clfa experiment`` whose workers are forked from it: none imports PyTorch again. Nothing is drawn."""

from __future__ import annotations

import multiprocessing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from clfa.experiments import pool
from no_pictures import leave_out_pictures
from warm import clfa

_fork = multiprocessing.get_context("fork")
_opened: list[Connection] = []


def experiment(*arguments: str) -> None:
    """Do what ``clfa experiment ARGUMENTS`` does."""
    pool._start = _start  # type: ignore[assignment]
    leave_out_pictures()
    clfa("experiment", *arguments)


def _start(directory: Path, jobs: int) -> Any:
    ours, theirs = _fork.Pipe()
    _opened.append(ours)
    process = _fork.Process(target=_work, args=(theirs, directory, max(1, pool.cores() // jobs)))
    process.start()
    theirs.close()
    return pool._Worker(process, ours)  # type: ignore[arg-type]


def _work(connection: Connection, directory: Path, threads: int) -> None:
    # Copies of the parent's ends would keep the connections open.
    for other in _opened:
        other.close()
    pool._work(connection, directory, threads)
