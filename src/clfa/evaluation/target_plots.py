"""Pictures of targets that have no confusion matrix: true against predicted numbers, F1 by class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from clfa.evaluation.plots import _INK, _figure, _save


def plot_scatter(truth: np.ndarray, predicted: np.ndarray, path: Path, title: str) -> None:
    """Predicted against true values of a regression; a perfect model's points lie on the line.

    Args:
        truth: (N,), N >= 1.
        predicted: (N,).
        path: PNG file to write.
        title: Above the plot.
    """
    figure = _figure(5, 5)
    axes = figure.add_subplot()
    low, high = min(truth.min(), predicted.min()), max(truth.max(), predicted.max())
    margin = 0.05 * (high - low) or 1.0
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color="grey", linewidth=0.8, linestyle="--")
    # Many points show as density.
    axes.scatter(truth, predicted, s=14, color=_INK, alpha=min(0.8, max(0.08, 60 / len(truth))), linewidths=0)
    axes.set_xlim(*limits)
    axes.set_ylim(*limits)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.set_xlabel("true")
    axes.set_ylabel("predicted")
    axes.set_title(title, fontsize=11)
    _save(figure, path)


def plot_class_f1(classes: Mapping[str, Mapping[str, Any]], path: Path, title: str) -> None:
    """F1 of every class of a multi-label target, with its number of positives.

    Args:
        classes: By name, with ``f1`` and ``support``.
        path: PNG file to write.
        title: Above the plot.
    """
    figure = _figure(6, 1.4 + 0.35 * len(classes))
    axes = figure.add_subplot()
    names = [f"{name} ({figures['support']:,})" for name, figures in classes.items()]
    values = [figures["f1"] for figures in classes.values()]
    bars = axes.barh(names, values, color=_INK, height=0.7)
    axes.bar_label(bars, labels=[f"{value:.2f}" for value in values], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.1)
    axes.set_xlabel("F1 (number of positives beside the class)")
    axes.grid(alpha=0.25, axis="x")
    axes.set_axisbelow(True)
    axes.set_title(title, fontsize=11)
    _save(figure, path)
