"""Progress bars on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_silent = False
_wanted: bool | None = None


def bars() -> bool:
    """Return whether progress bars are shown: as :func:`showing` says, else where standard error is a terminal."""
    return not _silent and (sys.stderr.isatty() if _wanted is None else _wanted)


@contextmanager
def showing(wanted: bool | None) -> Iterator[None]:
    """Return a context with or without progress bars, wherever standard error goes.

    Args:
        wanted: ``None`` for what holds already, by default bars on a terminal.
    """
    global _wanted
    before = _wanted
    _wanted = before if wanted is None else wanted
    try:
        yield
    finally:
        _wanted = before


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
    """Show a Rich progress bar on standard error, if :func:`bars` are shown.

    Args:
        total: Number of samples; ``None`` if unknown.
        description: Text before the bar.
        unit: Unit of the displayed rate per second; ``None`` for no rate.
        done: Number of samples finished before.

    Yields:
        A function to call with the number of samples just finished.
    """
    if not bars():
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
