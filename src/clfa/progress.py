"""Progress bars for long work, silent where nobody looks."""

from __future__ import annotations

import sys
import time
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
def track(
    total: int | None, description: str, unit: str | None = None, done: int = 0
) -> Iterator[Callable[[int], None]]:
    """A Rich progress bar on standard error; nothing when that is not a terminal.

    Args:
        total: Number of samples; ``None`` where nobody knows.
        description: What is being done.
        unit: Show how many of these are done per second.
        done: Samples that were finished before.

    Yields:
        A function to call with the number of samples just finished.
    """
    if _silent or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    if unit is not None:
        columns.append(TextColumn("{task.fields[rate]}"))
    columns.append(TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=done, rate="")
        start, finished = time.monotonic(), 0

        def advance(count: int) -> None:
            nonlocal finished
            finished += count
            rate = finished / max(time.monotonic() - start, 1e-9)
            progress.update(task, advance=count, rate=f"{rate:,.0f} {unit}/s")

        yield advance
