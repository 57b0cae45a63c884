from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from clfa.targets import plots

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


def test_confusion_matrix(tmp_path: Path, figures: list[Figure]) -> None:
    path = tmp_path / "matrix.png"
    plots.plot_confusion_matrix([[3, 1], [0, 0]], ["plain", "odd"], path, "a title")
    (axes,) = figures[0].axes
    assert [text.get_text() for text in axes.texts] == ["3\n75%", "1\n25%", "0\n0%", "0\n0%"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["plain", "odd"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("predicted", "true", "a title")
    assert opens(path)
    assert [file.name for file in tmp_path.iterdir()] == ["matrix.png"]


def test_scatter(tmp_path: Path, figures: list[Figure]) -> None:
    truth, predicted = np.array([1.0, 2.0, 4.0]), np.array([1.5, 2.0, 3.0])
    plots.plot_scatter(truth, predicted, tmp_path / "scatter.png", "a title")
    (axes,) = figures[0].axes
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [[1, 1.5], [2, 2], [4, 3]]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_title()) == ("true", "predicted", "a title")
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx((0.85, 4.15))
    assert opens(tmp_path / "scatter.png")


def test_scatter_of_one_value(tmp_path: Path, figures: list[Figure]) -> None:
    plots.plot_scatter(np.array([2.0]), np.array([2.0]), tmp_path / "scatter.png", "one")
    assert figures[0].axes[0].get_xlim() == (1, 3)


def test_class_f1(tmp_path: Path, figures: list[Figure]) -> None:
    classes = {"anger": {"f1": 0.25, "support": 1200}, "joy": {"f1": 1.0, "support": 3}}
    plots.plot_class_f1(classes, tmp_path / "f1.png", "a title")
    (axes,) = figures[0].axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["anger (1,200)", "joy (3)"]
    assert [bar.get_width() for bar in axes.patches] == [0.25, 1.0]
    assert [text.get_text() for text in axes.texts] == ["0.25", "1.00"]
    assert opens(tmp_path / "f1.png")
