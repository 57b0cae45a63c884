"""Pictures of a run: confusion matrix and learning curves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK = "#2b3a55"


def _figure(width: float, height: float) -> Figure:
    """A figure of its own, outside pyplot: no display is needed and no user setting is touched."""
    # Here, so that a run's first step need not wait for it.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def _save(figure: Figure, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    figure.savefig(temporary, dpi=120, format="png", bbox_inches="tight")
    os.replace(temporary, path)


def plot_confusion_matrix(matrix: list[list[int]], label_names: list[str], path: Path, title: str) -> None:
    """Counts, coloured by the fraction of the true class.

    Args:
        matrix: Rows are true classes, columns predicted ones (C x C).
        label_names: C class names.
        path: PNG file to write.
        title: Above the plot.
    """
    counts = np.array(matrix)
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.9 * len(label_names)
    figure = _figure(size, size)
    axes = figure.add_subplot()
    axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
    for row in range(len(counts)):
        for column in range(len(counts)):
            axes.text(
                column,
                row,
                f"{counts[row, column]}\n{fractions[row, column]:.0%}",
                ha="center",
                va="center",
                color="white" if fractions[row, column] > 0.55 else _INK,
            )
    axes.set_xticks(range(len(label_names)), label_names, rotation=30, ha="right")
    axes.set_yticks(range(len(label_names)), label_names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(title, fontsize=11)
    _save(figure, path)


def plot_learning_curves(history: list[dict[str, float]], path: Path, title: str, best_epoch: float | None) -> None:
    """Loss parts of the training on the left, validation scores on the right.

    Args:
        history: The Trainer's ``log_history``.
        path: PNG file to write.
        title: Above the plots.
        best_epoch: Marked by a line: the epoch that was kept.
    """
    figure = _figure(10, 3.8)
    left, right = figure.subplots(1, 2)
    curves = {
        left: {
            "loss": "total",
            "loss_classification": "classification",
            "loss_text_alignment": "text alignment",
            "loss_image_alignment": "image alignment",
            "loss_auxiliary": "the baseline's own",
            "eval_loss": "validation, classification",
        },
        right: {"eval_accuracy": "accuracy", "eval_macro_f1": "macro-F1", "eval_weighted_f1": "weighted F1"},
    }
    logged = {name for log in history for name in log}
    curves[left] |= {name: name.removeprefix("loss_target_") for name in sorted(logged) if "loss_target_" in name}
    if "eval_score" in logged:
        curves[right] = {"eval_score": "score"}
    for axes, names in curves.items():
        for name, label in names.items():
            points = [(log["epoch"], log[name]) for log in history if name in log]
            if points:
                axes.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
        if best_epoch is not None:
            axes.axvline(best_epoch, color="grey", linewidth=0.8, linestyle="--", label="kept")
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    left.set_title("training losses", fontsize=10)
    right.set_title("validation", fontsize=10)
    figure.suptitle(title, fontsize=11)
    _save(figure, path)
