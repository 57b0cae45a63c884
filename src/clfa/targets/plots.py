"""Plots of targets: confusion matrix, scatter plot, F1 by class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clfa.figures import INK, MAX_WRITTEN_CLASSES, write_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_confusion_matrix(matrix: list[list[int]], label_names: list[str], path: Path, title: str) -> None:
    """Plot a confusion matrix; the colour of a cell is its fraction of the true class.

    Of more than 60 classes only the colours are drawn.

    Args:
        matrix: Counts (C, C): rows are true classes, columns are predicted classes.
        label_names: C class names.
        path: PNG file to write.
        title: Above the plot.
    """
    size = 2.2 + 0.9 * len(label_names)

    def draw(figure: Figure) -> None:
        counts = np.array(matrix)
        fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes = figure.add_subplot()
        axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
        written = range(len(counts) if len(counts) <= MAX_WRITTEN_CLASSES else 0)
        for row in written:
            for column in written:
                axes.text(
                    column,
                    row,
                    f"{counts[row, column]}\n{fractions[row, column]:.0%}",
                    ha="center",
                    va="center",
                    color="white" if fractions[row, column] > 0.55 else INK,
                )
        axes.set_xticks(range(len(label_names)), label_names, rotation=30, ha="right")
        axes.set_yticks(range(len(label_names)), label_names)
        axes.set_xlabel("predicted")
        axes.set_ylabel("true")
        axes.set_title(title, fontsize=11)

    write_plot(path, size, size, draw)


def plot_scatter(truth: np.ndarray, predicted: np.ndarray, path: Path, title: str) -> None:
    """Plot predicted against true values of a regression; the dashed line marks perfect predictions.

    Args:
        truth: (N,), N >= 1.
        predicted: (N,).
        path: PNG file to write.
        title: Above the plot.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
        margin = 0.05 * (high - low) or 1.0
        limits = (low - margin, high + margin)
        axes.plot(limits, limits, color="grey", linewidth=0.8, linestyle="--")
        # Transparency shows the density of many points.
        axes.scatter(truth, predicted, s=14, color=INK, alpha=min(0.8, max(0.08, 60 / len(truth))), linewidths=0)
        axes.set_xlim(*limits)
        axes.set_ylim(*limits)
        axes.set_aspect("equal")
        axes.grid(alpha=0.25)
        axes.set_xlabel("true")
        axes.set_ylabel("predicted")
        axes.set_title(title, fontsize=11)

    write_plot(path, 5, 5, draw)


def plot_class_f1(classes: Mapping[str, Mapping[str, Any]], path: Path, title: str) -> None:
    """Plot the F1 of each class of a multi-label target, with its number of positives.

    Args:
        classes: Metrics by class name, with ``f1`` and ``support``.
        path: PNG file to write.
        title: Above the plot.
    """

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        names = [f"{name} ({figures['support']:,})" for name, figures in classes.items()]
        values = [figures["f1"] for figures in classes.values()]
        bars = axes.barh(range(len(names)), values, color=INK, height=0.7)
        axes.set_yticks(range(len(names)), names)
        axes.bar_label(bars, labels=[f"{value:.2f}" for value in values], padding=3, fontsize=8)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.1)
        axes.set_xlabel("F1 (number of positives beside the class)")
        axes.grid(alpha=0.25, axis="x")
        axes.set_axisbelow(True)
        axes.set_title(title, fontsize=11)

    write_plot(path, 6, 1.4 + 0.35 * len(classes), draw)
