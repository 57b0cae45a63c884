"""The report's plots as data URLs: SVG, or PNG for plots with thousands of points; ``None`` for one that failed."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clfa.experiments.scores import factor, title
from clfa.figures import CHARACTER, MAX_WRITTEN_CLASSES, Plot, plot_address, series_label, shown_width
from clfa.files import read_json
from clfa.report.projection import Projection
from clfa.report.size_curves import SizeCurve
from clfa.report.study import again
from clfa.report.tables import HeadlineRow

_INK, _GREY = "#22304a", "#8a94a6"
# The palette of Okabe & Ito, which colour-blind readers can distinguish; the last two colours are added.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6b5b95", "#444444")
_STYLE: Any = {
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": "#c5ccd6",
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "clfa",
    "svg.fonttype": "path",
}
# Characters of a class's name beside a confusion matrix that need no more room, and most that get it.
_USUAL, _WIDEST = 12, 44


def interval_plot(
    rows: Sequence[HeadlineRow], metric: str, values: dict[str, list[float]], baseline: str | None
) -> Plot | None:
    """Plot every run as a dot and every row's mean with its 95 % interval.

    Args:
        rows: Rows, top to bottom.
        metric: Score to plot.
        values: Scores of the runs by row, scaled like the rows' means.
        baseline: Row whose mean is also drawn as a line.
    """
    rows = [row for row in rows if metric in row.scores]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            score = row.scores[metric]
            runs = values[row.name]
            spread = np.linspace(-0.16, 0.16, len(runs)) if len(runs) > 1 else np.zeros(len(runs))
            axes.scatter(runs, place + spread, s=14, color=_GREY, alpha=0.55, linewidths=0)
            colour = COLOURS[1] if row.name == baseline else COLOURS[0]
            if not math.isnan(score.low):
                axes.plot([score.low, score.high], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
            axes.scatter([score.mean], [place], s=52, color=colour, zorder=3, edgecolors="white", linewidths=1)
            if row.name == baseline:
                axes.axvline(score.mean, color=colour, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        if factor(metric) == 100:
            # The interval of two runs may extend below 0 % or above 100 %.
            low, high = axes.get_xlim()
            axes.set_xlim(max(low, -2), min(high, 102))
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"{title(metric)}{', percent' if factor(metric) == 100 else ''}")
        axes.grid(axis="x", alpha=0.25)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)

    return plot_address(f"the plot of {title(metric)}", 8.6, 0.9 + 0.36 * len(rows), draw, style=_STYLE)


def learning_curves(folders: dict[str, list[Path]], metric: str) -> Plot | None:
    """Plot training loss and validation score by epoch: mean over a row's runs, band of one standard deviation.

    Args:
        folders: Run folders by row.
        metric: Score of the right-hand plot, if the histories have it.

    Returns:
        The plot; ``None`` also if the histories are empty.
    """
    histories = {row: [_history(folder) for folder in paths] for row, paths in folders.items()}
    logged = {key for runs in histories.values() for run in runs for log in run for key in log}
    names = [f"eval_{metric}", f"eval_{metric.replace('.', '_')}", "eval_macro_f1", "eval_loss"]
    score = next((name for name in names if name in logged), None)
    parts = [
        (key, label) for key, label in (("loss_classification", "classification loss, training"),) if key in logged
    ]
    parts = parts or [("loss", "loss, training")]
    if score is not None:
        parts.append((score, f"{title(score.removeprefix('eval_'))}, validation"))
    if not logged:
        return None

    def draw(figure: Figure) -> None:
        for axes, (key, label) in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
            scale = factor(key.removeprefix("eval_")) if key.startswith("eval_") else 1.0
            for colour, (row, runs) in zip(COLOURS, histories.items(), strict=False):
                points: dict[float, list[float]] = defaultdict(list)
                for run in runs:
                    for log in run:
                        if key in log:
                            points[log["epoch"]].append(scale * log[key])
                epochs = sorted(points)
                means = np.array([np.mean(points[epoch]) for epoch in epochs])
                spread = np.array([np.std(points[epoch], ddof=1) if len(points[epoch]) > 1 else 0 for epoch in epochs])
                axes.plot(epochs, means, color=colour, label=series_label(row), linewidth=1.8, marker="o", markersize=3)
                axes.fill_between(epochs, means - spread, means + spread, color=colour, alpha=0.13, linewidth=0)
            axes.set_xlabel("epoch")
            axes.set_title(label, fontsize=10)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.25)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False, fontsize=9)

    return plot_address("the plot of learning curves", 4.4 * len(parts), 3.4, draw, style=_STYLE)


def size_plot(curves: Sequence[SizeCurve], metric: str) -> Plot | None:
    """Plot scores over the number of training rows (logarithmic): mean, and a band of one standard deviation.

    Args:
        curves: One curve each.
        metric: Score of the curves.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, curve in enumerate(curves):
            colour, style = COLOURS[place % len(COLOURS)], ("-", "--", ":")[place // len(COLOURS) % 3]
            sizes = list(curve.points)
            means = np.array([score.mean for score in curve.points.values()])
            spread = np.nan_to_num([score.sd for score in curve.points.values()])
            axes.plot(
                sizes,
                means,
                style,
                color=colour,
                label=series_label(curve.name),
                linewidth=1.8,
                marker="o",
                markersize=4,
            )
            axes.fill_between(sizes, means - spread, means + spread, color=colour, alpha=0.13, linewidth=0)
        sizes = sorted({size for curve in curves for size in curve.points})
        axes.set_xscale("log")
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel(curves[0].axis)
        axes.set_ylabel(f"{title(metric)}{', percent' if factor(metric) == 100 else ''}")
        axes.grid(alpha=0.25)
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(3, len(labels)), frameon=False, fontsize=9)

    return plot_address("the plot over the number of training rows", 8.6, 4.4, draw, style=_STYLE)


def _history(folder: Path) -> list[dict[str, Any]]:
    path = folder / "history.json"
    return read_json(path, list, again(folder)) if path.is_file() else []


def confusion_plot(matrix: np.ndarray, names: Sequence[str], heading: str) -> Plot | None:
    """Plot a confusion matrix: counts, coloured by the share of the true class.

    Args:
        matrix: Counts; rows are true classes (C, C).
        names: Names of the classes.
        heading: Title of the plot.
    """
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    widths = [width for width in map(shown_width, names) if width <= _WIDEST]
    size = 1.7 + 0.72 * len(names) + CHARACTER * max(0, max(widths, default=0) - _USUAL)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        written = range(len(names) if len(names) <= MAX_WRITTEN_CLASSES else 0)
        for i in written:
            for j in written:
                colour = "white" if shares[i, j] > 0.55 else _INK
                text = f"{matrix[i, j]:,}\n{shares[i, j]:.0%}"
                axes.text(j, i, text, ha="center", va="center", color=colour, fontsize=8)
        axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(heading, fontsize=9, wrap=True)

    return plot_address(
        f"the confusion matrix of {heading}",
        size,
        size,
        draw,
        style={**_STYLE, "axes.spines.top": True, "axes.spines.right": True},
    )


def projection_plot(before: Projection, after: Projection) -> Plot | None:
    """Plot texts and images before and after training; lines connect at most 120 of the pairs."""

    def draw(figure: Figure) -> None:
        for axes, moment, heading in zip(
            figure.subplots(1, 2), (before, after), ("before training", "after training"), strict=True
        ):
            joined = np.unique(np.linspace(0, len(moment.text) - 1, min(len(moment.text), 120)).astype(int))
            for i in joined:
                ends = np.stack([moment.text[i], moment.image[i]])
                axes.plot(ends[:, 0], ends[:, 1], color=_GREY, linewidth=0.5, alpha=0.3, zorder=1)
            for points, colour, label in ((moment.text, COLOURS[0], "text"), (moment.image, COLOURS[1], "picture")):
                axes.scatter(*points.T, s=11, color=colour, alpha=0.65, linewidths=0, label=label, zorder=2)
            axes.set_title(
                f"{heading}\nown picture at {moment.distance:.2f}, others at {moment.other_distance:.2f}", fontsize=10
            )
            axes.set_xlabel(f"two components: {moment.explained:.0%} of the variance", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_aspect("equal", adjustable="datalim")
        handles, labels = axes.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)

    return plot_address("the plot of texts and pictures in the plane", 8.8, 4.3, draw, kind="png", style=_STYLE)
