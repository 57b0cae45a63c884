"""Matplotlib figures without pyplot: they need no display and do not change user settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clfa.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK = "#2b3a55"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure.

    Args:
        width: Width in inches.
        height: Height in inches.
    """
    # Imported here, because most commands draw no figures.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png", bbox_inches="tight")
