"""Plots of the project, all drawn by :func:`write_plot` or :func:`plot_address`.

Matplotlib is used without pyplot: no display is needed, and settings of users do not change. Every text is drawn as it
is: ``$`` is no mathematics. Characters that the usual font lacks are drawn with another installed font; texts with
characters that no font has, and very long labels, become numbers with a legend. A plot that cannot be drawn is a
warning.
"""

from __future__ import annotations

import base64
import io
import logging
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfa.errors import DataError
from clfa.files import atomic_path, atomic_write
from clfa.fonts import choose_fonts, drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

INK = "#2b3a55"
# Numbers in the cells of larger confusion matrices could not be read, and take minutes to draw.
MAX_WRITTEN_CLASSES = 60
# Inches, and characters of a label on an axis. Larger pictures take minutes, and fail from 65,536 pixels on.
_MAX_SIZE, _MAX_LABEL = 40.0, 80
# Inches of a character of a label, and the share of a plot of fixed size that labels may have: without room for its
# axes it could not be read.
CHARACTER, _LABEL_SHARE = 0.085, 0.65


@dataclass(frozen=True)
class Plot:
    """A plot in a page.

    Args:
        address: The picture as a data URL.
        legend: Texts that stand in the picture as numbers, by number.
    """

    address: str
    legend: Mapping[int, str] = field(default_factory=dict)


@contextmanager
def _fatal(path: Path) -> Iterator[None]:
    """Return a context in which an error of drawing names the plot."""
    try:
        yield
    except OSError:
        # A full disk: it names the file itself.
        raise
    except Exception as error:
        raise DataError(f"{path}: this plot could not be drawn: {type(error).__name__}: {error}") from error


@contextmanager
def never_fatal(name: str | Path) -> Iterator[None]:
    """Return a context in which an error is a warning that names the plot, so that no run ends by a plot.

    Args:
        name: The plot: its file, or a description.
    """
    try:
        yield
    except Exception as error:
        logger.warning("%s: this plot could not be drawn: %s: %s", name, type(error).__name__, error)


def write_plot(
    path: Path, width: float, height: float, draw: Callable[[Figure], None], *, dpi: int = 120, needed: bool = False
) -> None:
    """Write a plot as PNG, atomically.

    If some of its texts cannot be drawn, they are numbers in the plot, and the text file beside it
    (:func:`legend_file`) has them. An error is a warning, unless the plot is needed.

    Args:
        path: File to write.
        width: Width in inches.
        height: Height in inches.
        draw: Draws on an empty figure; it may be called twice.
        dpi: Pixels per inch.
        needed: The plot is the result that was asked for, and not a part of one.

    Raises:
        OSError: If a needed plot cannot be written.
        DataError: If a needed plot cannot be drawn.
    """
    with _fatal(path) if needed else never_fatal(path):
        with _drawn(width, height, draw) as (figure, legend), atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=dpi, format="png", bbox_inches="tight")
        names = legend_file(path)
        names.unlink(missing_ok=True)
        if legend:
            with atomic_write(names) as file:
                file.writelines(f"[{number}] {_printable(text)}\n" for number, text in legend.items())
            logger.warning(
                "%s: %d texts stand in this plot as numbers, which %s explains: no installed font has their characters "
                "(install one, for instance Noto Sans CJK), or they are longer than %d characters.",
                path,
                len(legend),
                names.name,
                _MAX_LABEL,
            )


def legend_file(path: Path) -> Path:
    """Return the text file that explains the numbers in a plot: ``confusion.legend.txt`` of ``confusion.png``."""
    return path.with_suffix(".legend.txt")


def plot_address(
    name: str,
    width: float,
    height: float,
    draw: Callable[[Figure], None],
    *,
    kind: str = "svg",
    style: Mapping[str, Any] | None = None,
) -> Plot | None:
    """Return a plot for a page; ``None``, with a warning, if it cannot be drawn.

    Args:
        name: Description, for the warning.
        width: Width in inches.
        height: Height in inches.
        draw: Draws on an empty figure; it may be called twice.
        kind: ``svg`` or ``png``.
        style: Settings of matplotlib (``rcParams``).
    """
    with never_fatal(name):
        buffer = io.BytesIO()
        with _drawn(width, height, draw, layout="constrained", style=style) as (figure, legend):
            figure.savefig(buffer, format=kind, dpi=130, metadata={"Date": None} if kind == "svg" else None)
        mime = "image/svg+xml" if kind == "svg" else "image/png"
        address = f"data:{mime};base64," + base64.b64encode(buffer.getvalue()).decode()
        return Plot(address, {number: _printable(text) for number, text in legend.items()})
    return None


def series_label(name: str) -> str:
    """Return a name as the label of a series; matplotlib leaves those that begin with ``_`` out of legends."""
    return f" {name}" if name.startswith("_") else name


@contextmanager
def _drawn(
    width: float,
    height: float,
    draw: Callable[[Figure], None],
    *,
    layout: Any = None,
    style: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Figure, dict[int, str]]]:
    """Return a context with the drawn figure and the texts that are numbers in it; it is saved in the context."""
    # Imported here, because most commands draw no figures.
    from matplotlib import rc_context, rcParams
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def new() -> Figure:
        figure = Figure(figsize=(min(width, _MAX_SIZE), min(height, _MAX_SIZE)), layout=layout)
        FigureCanvasAgg(figure)
        draw(figure)
        return figure

    settings: Any = {**(style or {}), "text.parse_math": False, "text.usetex": False}
    with rc_context(settings):
        figure = new()
        usual = list(rcParams["font.family"])
        fonts, absent = choose_fonts(_texts(figure), usual)
        with rc_context({"font.family": fonts}):
            if fonts != usual:
                figure = new()
            room = _MAX_LABEL if layout is None else int(figure.get_figwidth() * _LABEL_SHARE / CHARACTER)
            yield figure, _number(figure, absent, min(room, _MAX_LABEL))


def _texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    texts = [text.get_text() for text in figure.findobj(Text)]
    return [*texts, *(label for axis in _axes(figure) for label in _labels(axis))]


def _axes(figure: Figure) -> list[Any]:
    return [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]


def _labels(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_majorticklabels()]


def shown_width(text: str) -> int:
    """Return the width of a text in characters of usual width; Chinese characters have twice that.

    Example:
        >>> shown_width("a\u5fc3")
        3
    """
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _number(figure: Figure, absent: set[str], longest_label: int) -> dict[int, str]:
    """Replace the texts that cannot be drawn by numbers in brackets; return them by number."""
    from matplotlib.text import Text

    numbers: dict[str, int] = {}

    def shown(text: str, longest: int | None = None) -> str:
        if absent.isdisjoint(text) and (longest is None or shown_width(text) <= longest):
            return drawable(text)
        return f"[{numbers.setdefault(text, len(numbers) + 1)}]"

    for axis in _axes(figure):
        labels = _labels(axis)
        drawn = [shown(label, longest_label) for label in labels]
        if drawn != labels:
            # Labels are written anew whenever the axis is drawn.
            axis.set_ticks(axis.get_majorticklocs(), drawn)
    for text in figure.findobj(Text):
        text.set_text(shown(text.get_text()))
    return {number: text for text, number in numbers.items()}


def _printable(text: str) -> str:
    """Return a text in one line, without what UTF-8 cannot encode."""
    return " ".join(text.split()).encode("utf-8", "backslashreplace").decode("utf-8")
