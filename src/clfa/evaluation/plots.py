"""Plots of a run: learning curves, and how far its probabilities can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clfa.figures import INK, series_label, write_plot

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


def plot_confidence(report: Mapping[str, Any], path: Path, title: str) -> None:
    """Plot the reliability of probabilities (left) and the risk over the coverage (right).

    Args:
        report: From :func:`clfa.targets.reliability.calibration_report`.
        path: PNG file to write.
        title: Title above the plots.
    """

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        draw_reliability(left, report)
        draw_risk(right, report)
        figure.suptitle(title, fontsize=11)

    write_plot(path, 10, 4.4, draw)


def draw_reliability(axes: Any, report: Mapping[str, Any]) -> None:
    """Draw the frequency of what probabilities announce, by bin; the dashed line marks perfect calibration.

    Args:
        axes: Axes of Matplotlib.
        report: See :func:`plot_confidence`.
    """
    bins = [(number, b) for number, b in enumerate(report["bins"]) if b["samples"]]
    width, most = 1 / len(report["bins"]), max(b["samples"] for _, b in bins)
    # The height of the pale bars is the share of posts.
    axes.bar(
        [(number + 0.5) * width for number, _ in bins],
        [0.25 * b["samples"] / most for _, b in bins],
        width,
        color="#d5dae3",
        label="number of posts",
    )
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    points = [(b["confidence"], b["frequency"]) for _, b in bins]
    axes.plot(*zip(*points, strict=True), marker="o", markersize=4, color=INK, label="frequency")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_aspect("equal")
    axes.grid(alpha=0.25)
    axes.set_xlabel("probability")
    axes.set_ylabel("frequency")
    before, after = report["before"]["ece"], report["after"]["ece"]
    was = "" if report["temperature"] is None else f" (before {before:.3f})"
    axes.set_title(f"calibration error {after:.3f}{was}", fontsize=10)
    axes.legend(fontsize=8, loc="upper left")


def draw_risk(axes: Any, report: Mapping[str, Any]) -> None:
    """Draw the share of errors among the most confident posts.

    Args:
        axes: Axes of Matplotlib.
        report: See :func:`plot_confidence`.
    """
    curve = report.get("risk_coverage")
    if curve is None:
        axes.set_axis_off()
        return
    axes.plot(*zip(*curve["points"], strict=True), marker="o", markersize=3, color=INK)
    for found in report.get("abstention", []):
        if found["risk"] is not None:
            axes.plot(found["reached"], found["risk"], marker="s", color="#c44e2b", linestyle="none")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.25)
    axes.set_xlabel("share of posts with a label")
    axes.set_ylabel("share of errors among them")
    axes.set_title("the surest posts first", fontsize=10)
