from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.growth import AXES, Axis, Point, exponent, number, plot, section
from benchmarks.spread import spread
from PIL import Image


def points(power: float, values: tuple[int, ...] = (1, 2, 4, 8, 16)) -> list[Point]:
    return [Point(value, spread([3 * value**power]), 100.0) for value in values]


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0])
def test_the_exponent_of_a_power_law(power: float) -> None:
    assert exponent(points(power), lambda p: p.seconds.median) == pytest.approx(power, abs=1e-9)


def test_a_fixed_cost_counts_only_where_it_is_small() -> None:
    found = [Point(value, spread([1000 + value]), 1.0) for value in (1, 2, 10_000, 20_000, 40_000)]
    assert exponent(found, lambda p: p.seconds.median) == pytest.approx(1, abs=0.1)


def test_the_exponent_needs_two_points() -> None:
    with pytest.raises(ValueError, match="two points"):
        exponent(points(1, (0, 3)), lambda p: p.memory_mb)


def test_a_section_says_what_grows_faster_than_linearly() -> None:
    axis = Axis("length", (1, 2), "epoch", "Because.")
    text = section(axis, points(2.0), "performance")
    assert (
        "time grows with exponent 2.00 (more than linear), memory grows with exponent 0.00 (linear or better)" in text
    )
    assert "![length](performance/length.png)" in text
    assert "| 4 | 48 s (48 to 48) | 100 MB |" in text


def test_numbers_on_axes() -> None:
    assert [number(value) for value in (0.0625, 32.0, 1024.0)] == ["0.0625", "32", "1,024"]


@pytest.mark.parametrize("first", [0, 1])
def test_a_plot_is_a_picture(first: int, tmp_path: Path) -> None:
    plot(Axis("batch", (), "step", ""), points(1.0, (first, 2, 4)), tmp_path / "plots" / "batch.png")
    with Image.open(tmp_path / "plots" / "batch.png") as picture:
        assert 900 <= picture.width <= 1000
        assert 320 <= picture.height <= 360


def test_every_axis_is_explained_and_has_points_enough() -> None:
    assert {axis.name for axis in AXES} >= {"samples", "length", "batch", "classes", "processes"}
    assert all(axis.explanation and len(axis.values) > 2 for axis in AXES)
