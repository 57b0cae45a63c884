"""Trainings that draw nothing, which takes half of a tiny one's time: their plots are pictures of one pixel."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clfa.evaluation import plots as plots_of_runs
from clfa.targets import plots as plots_of_targets

_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
_MODULES: tuple[Any, ...] = (plots_of_runs, plots_of_targets)
_DRAWN: Callable[..., None] = plots_of_runs.write_plot


def _undrawn(path: Path, *size: float, **options: Any) -> None:
    path.write_bytes(_PIXEL)


def leave_out_pictures() -> None:
    """Draw nothing from now on."""
    for module in _MODULES:
        module.write_plot = _undrawn


@contextmanager
def with_pictures() -> Iterator[None]:
    """Return a context in which plots are drawn."""
    before = [module.write_plot for module in _MODULES]
    try:
        for module in _MODULES:
            module.write_plot = _DRAWN
        yield
    finally:
        for module, written in zip(_MODULES, before, strict=True):
            module.write_plot = written
