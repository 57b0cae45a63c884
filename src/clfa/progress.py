"""Progress bars for long work, silent where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_silent = False


@contextmanager
def silenced() -> Iterator[None]:
    """No bars inside: for work in small pieces under a bar of its own."""
    global _silent
    before, _silent = _silent, True
    try:
        yield
    finally:
        _silent = before


@contextmanager
def track(total: int, description: str) -> Iterator[Callable[[int], None]]:
    """A Rich progress bar on standard error; nothing when that is not a terminal.

    Args:
        total: Number of samples.
        description: What is being done.

    Yields:
        A function to call with the number of samples just finished.
    """
    if _silent or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda count: progress.advance(task, count)
