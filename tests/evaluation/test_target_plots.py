from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from clfa.evaluation import target_plots
from clfa.evaluation.plots import plot_learning_curves


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What is drawn, while it is also saved."""
    kept: list[Figure] = []
    save = target_plots._save

    def spy(figure: Figure, path: Path) -> None:
        kept.append(figure)
        save(figure, path)

    monkeypatch.setattr(target_plots, "_save", spy)
    monkeypatch.setattr("clfa.evaluation.plots._save", spy)
    return kept


def opens(path: Path) -> bool:
    with Image.open(path) as picture:
        picture.load()
        return picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 1


def test_scatter(tmp_path: Path, figures: list[Figure]) -> None:
    truth, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    target_plots.plot_scatter(truth, predicted, tmp_path / "scatter.png", "a title")
    (axes,) = figures[0].axes
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [[1, 1.5], [2, 2], [4, 3]]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("true", "predicted", "a title")
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((0.85, 4.15))
    assert opens(tmp_path / "scatter.png")


def test_scatter_of_one_value(tmp_path: Path, figures: list[Figure]) -> None:
    target_plots.plot_scatter(np.array([2.0]), np.array([2.0]), tmp_path / "scatter.png", "one")
    assert figures[0].axes[0].get_xlim() == (1, 3)


def test_class_f1(tmp_path: Path, figures: list[Figure]) -> None:
    classes = {"anger": {"f1": 0.25, "support": 1200}, "joy": {"f1": 1.0, "support": 3}}
    target_plots.plot_class_f1(classes, tmp_path / "f1.png", "a title")
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["anger (1,200)", "joy (3)"]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 1.0]
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00"]
    assert opens(tmp_path / "f1.png")


def test_learning_curves_of_targets(tmp_path: Path, figures: list[Figure]) -> None:
    history = [
        {"epoch": 1.0, "loss": 2.0, "loss_target_mood": 0.5},
        {"epoch": 1.0, "eval_loss": 1.5, "eval_score": 0.4},
    ]
    plot_learning_curves(history, tmp_path / "curves.png", "run", None)
    left, right = figures[0].axes
    assert left.get_legend_handles_labels()[1] == ["total", "validation, classification", "mood"]
    assert right.get_legend_handles_labels()[1] == ["score"]
