"""Plot of the learning curves of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clfa.figures import series_label, write_plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_learning_curves(history: list[dict[str, float]], path: Path, title: str, best_epoch: float | None) -> None:
    """Plot the training losses (left) and the validation scores (right).

    Args:
        history: The Trainer's ``log_history``.
        path: PNG file to write.
        title: Title above the plots.
        best_epoch: Epoch of the kept model, marked by a line.
    """

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        curves = {
            left: {
                "loss": "total",
                "loss_classification": "classification",
                "loss_text_alignment": "text alignment",
                "loss_image_alignment": "image alignment",
                "loss_students_alignment": "students' alignment",
                "loss_auxiliary": "the baseline's own",
                "eval_loss": "validation, classification",
            },
            right: {"eval_accuracy": "accuracy", "eval_macro_f1": "macro-F1", "eval_weighted_f1": "weighted F1"},
        }
        logged = {name for log in history for name in log}
        curves[left] |= {
            name: series_label(name.removeprefix("loss_target_")) for name in sorted(logged) if "loss_target_" in name
        }
        if "eval_score" in logged:
            curves[right] = {"eval_score": "score"}
        for axes, names in curves.items():
            for name, label in names.items():
                points = [(log["epoch"], log[name]) for log in history if log.get(name) is not None]
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

    write_plot(path, 10, 3.8, draw)
