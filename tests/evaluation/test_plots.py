from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from clfa.evaluation import plots

pytestmark = pytest.mark.usefixtures("pictures")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """What is drawn, while it is also saved."""
    kept: list[Figure] = []
    save = Figure.savefig

    def spy(figure: Figure, *args: Any, **options: Any) -> None:
        kept.append(figure)
        save(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", spy)
    return kept


def opens(path: Path) -> bool:
    with Image.open(path) as picture:
        picture.load()
        return picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 1


def test_learning_curves(tmp_path: Path, figures: list[Figure]) -> None:
    history = [
        {"epoch": 1.0, "loss": 2.0, "loss_classification": 1.0, "loss_text_alignment": 0.5},
        {"epoch": 1.0, "eval_loss": 1.5, "eval_macro_f1": 0.4, "eval_accuracy": 0.5},
        {"epoch": 2.0, "loss": 1.0, "loss_classification": 0.5, "loss_text_alignment": 0.25},
        {"epoch": 2.0, "eval_loss": 1.2, "eval_macro_f1": 0.6, "eval_accuracy": 0.7},
        {"epoch": 2.0, "train_loss": 1.5},
    ]
    plots.plot_learning_curves(history, tmp_path / "curves.png", "a title", 2.0)
    left, right = figures[0].axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in left.lines}
    assert drawn["total"] == ([1.0, 2.0], [2.0, 1.0])
    assert drawn["text alignment"] == ([1.0, 2.0], [0.5, 0.25])
    assert drawn["validation, classification"] == ([1.0, 2.0], [1.5, 1.2])
    assert "image alignment" not in drawn
    assert drawn["kept"][0] == [2.0, 2.0]
    assert {line.get_label() for line in right.lines} == {"accuracy", "macro-F1", "kept"}
    assert opens(tmp_path / "curves.png")


def test_a_run_without_history_still_has_a_picture(tmp_path: Path) -> None:
    plots.plot_learning_curves([], tmp_path / "curves.png", "a title", None)
    assert (tmp_path / "curves.png").is_file()


def test_learning_curves_of_targets(tmp_path: Path, figures: list[Figure]) -> None:
    history = [
        {"epoch": 1.0, "loss": 2.0, "loss_target_mood": 0.5},
        {"epoch": 1.0, "eval_loss": 1.5, "eval_score": 0.4},
    ]
    plots.plot_learning_curves(history, tmp_path / "curves.png", "run", None)
    left, right = figures[0].axes
    assert left.get_legend_handles_labels()[1] == ["total", "validation, classification", "mood"]
    assert right.get_legend_handles_labels()[1] == ["score"]
