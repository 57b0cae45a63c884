"""Progress bars on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_silent = False


@contextmanager
def silenced() -> Iterator[None]:
    """Return a context without progress bars, for small steps of work that has its own bar."""
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
    """Show a Rich progress bar on standard error, if that is a terminal.

    Args:
        total: Number of samples; ``None`` if unknown.
        description: Text before the bar.
        unit: Unit of the displayed rate per second; ``None`` for no rate.
        done: Number of samples finished before.

    Yields:
        A function to call with the number of samples just finished.
    """
    if _silent or not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

    from clfa.terminal import console

    columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    if unit is not None:
        columns.append(TextColumn("{task.fields[rate]}"))
    columns.append(TimeRemainingColumn())
    with Progress(*columns, console=console(stderr=True)) as progress:
        task = progress.add_task(description, total=total, completed=done, rate="")
        start, finished = time.monotonic(), 0

        def advance(count: int) -> None:
            nonlocal finished
            finished += count
            rate = finished / max(time.monotonic() - start, 1e-9)
            progress.update(task, advance=count, rate=f"{rate:,.0f} {unit}/s")

        yield advance
