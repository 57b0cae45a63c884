"""Every text of a plot is drawn as it is, or stands in a legend; a plot never ends a run."""

from __future__ import annotations

import ast
import base64
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from clfa import figures, fonts
from clfa.errors import DataError
from clfa.figures import legend_file, plot_address, series_label, write_plot
from clfa.report.plots import confusion_plot
from clfa.targets.plots import plot_class_f1, plot_confusion_matrix

pytestmark = pytest.mark.usefixtures("pictures")

ROOT = Path(__file__).parents[1]
CJK = "\u5f00\u5fc3"  # "happy"
KOREAN, ARABIC, EMOJI, SURROGATE = "\ud589\ubcf5", "\u0633\u0639\u064a\u062f", "\U0001f9ff\u200d\ufe0f", "a\ud83d"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The visible texts of each saved figure, their fonts, and whether any is mathematics."""
    kept: list[dict[str, Any]] = []
    save = Figure.savefig

    def spy(figure: Figure, *args: Any, **options: Any) -> None:
        save(figure, *args, **options)
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        kept.append(
            {
                "texts": [text.get_text() for text in texts],
                "fonts": texts[0].get_fontfamily(),
                "mathematics": any(text.get_parse_math() for text in texts),
            }
        )

    monkeypatch.setattr(Figure, "savefig", spy)
    return kept


@pytest.fixture
def other_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installed font that has the two Chinese characters alone."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for point, step in zip([(0, 0), (0, 700), (700, 700), (700, 0)], ["moveTo"] + ["lineTo"] * 3, strict=True):
        getattr(pen, step)(point)
    pen.closePath()
    square = pen.glyph()
    names = [".notdef", "one", "two"]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(CJK[0]): "one", ord(CJK[1]): "two"})
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Two Squares Sans", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = tmp_path / "font.ttf"
    builder.save(path)
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(str(path))
    fonts._installed.cache_clear()
    yield "Two Squares Sans"
    fonts._installed.cache_clear()


def opens(path: Path) -> bool:
    with Image.open(path) as picture:
        return picture.format == "PNG" and np.asarray(picture.convert("L")).std() > 1


def test_dollars_are_text(tmp_path: Path, drawn: list[dict[str, Any]]) -> None:
    path = tmp_path / "c.png"
    for names in (["$", "$$", "$$$"], ["$10 to $20", "a_b^c", r"\frac{"], ["_hidden", "%", "{}"]):
        plot_confusion_matrix([[1, 0, 0]] * 3, names, path, f"{names[1]}: test split")
        assert opens(path)
        assert not drawn[-1]["mathematics"]
        assert {*names, f"{names[1]}: test split"} <= set(drawn[-1]["texts"])
        path.unlink()
    plot_class_f1({"$$": {"f1": 1.0, "support": 3}}, path, "$x$")
    assert {"$$ (3)", "$x$"} <= set(drawn[-1]["texts"])
    assert confusion_plot(np.eye(2, dtype=int), ["$", "$$"], "$a$ and $") is not None
    assert {"$", "$$", "$a$ and $"} <= set(drawn[-1]["texts"])


def test_an_installed_font_with_the_characters_is_used(
    other_font: str, tmp_path: Path, drawn: list[dict[str, Any]]
) -> None:
    plot_confusion_matrix([[1, 0], [0, 1]], [CJK, "calm"], tmp_path / "c.png", "run")
    assert other_font in drawn[-1]["fonts"]
    assert CJK in drawn[-1]["texts"]
    assert [file.name for file in tmp_path.glob("c*")] == ["c.png"]
    assert fonts.choose_fonts([CJK + KOREAN], ["sans-serif"]) == (["sans-serif", other_font], set(KOREAN))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [2, 3, 6])
def test_long_names_leave_room_for_the_matrix(count: int, drawn: list[dict[str, Any]]) -> None:
    """A warning of a layout that was not applied would be an error, and there would be no plot."""
    for length, written in ((12, True), (30, True), (44, True), (79, False)):
        names = [f"{number}{'x' * (length - 1)}" for number in range(count)]
        plot = confusion_plot(np.eye(count, dtype=int), names, "run")
        assert plot is not None
        assert (set(names) <= set(drawn[-1]["texts"])) is written
        assert list(plot.legend.values()) == ([] if written else names)


def test_a_needed_plot_is_written_or_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(figure: Figure) -> None:
        raise ValueError("no")

    path = tmp_path / "why.png"
    with pytest.raises(DataError, match=r"why\.png: this plot could not be drawn: ValueError: no$"):
        write_plot(path, 2, 2, broken, needed=True)

    def full(*args: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    with pytest.raises(OSError, match="No space left on device") as error:
        write_plot(path, 2, 2, lambda figure: None, needed=True)
    assert error.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_font_names_are_numbers_with_a_legend(
    tmp_path: Path, drawn: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    assert fonts.choose_fonts([CJK, "a"], ["sans-serif"])[1] == set(CJK), "this machine has a font for the test's name"
    names = [CJK, "calm", KOREAN, SURROGATE, "x" * 90]
    path = tmp_path / "c.png"
    plot_confusion_matrix(np.eye(5, dtype=int).tolist(), names, path, f"{CJK}: test")
    assert opens(path)
    legend = dict(enumerate([CJK, KOREAN, SURROGATE, "x" * 90, f"{CJK}: test"], start=1))
    assert {"calm", *(f"[{number}]" for number in legend)} <= set(drawn[-1]["texts"])
    assert not any(CJK[0] in text or "\ud83d" in text for text in drawn[-1]["texts"])
    lines = legend_file(path).read_text(encoding="utf-8").splitlines()
    assert lines == [f"[{number}] {name}".replace("\ud83d", r"\ud83d") for number, name in legend.items()]
    assert "5 texts stand in this plot as numbers, which c.legend.txt explains" in caplog.text
    plot_confusion_matrix([[1]], ["calm"], path, "run")
    assert not legend_file(path).exists()


def test_the_report_has_the_legend_as_text() -> None:
    plot = confusion_plot(np.eye(2, dtype=int), [CJK, "calm"], "row")
    assert plot is not None
    assert plot.legend == {1: CJK}
    assert base64.b64decode(plot.address.partition(",")[2]).lstrip().startswith(b"<?xml")


@pytest.mark.filterwarnings("error:Glyph")
@pytest.mark.parametrize("name", [ARABIC, EMOJI, SURROGATE, "a\nb", "a\tb\x07", "\u200f", "", "\u202eabc", "e\u0301"])
def test_any_name_is_drawn(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plot_confusion_matrix([[1, 2], [3, 4]], [name, "b"], tmp_path / "c.png", name)
    plot_class_f1({name: {"f1": 0.5, "support": 1}}, tmp_path / "f.png", name)
    assert opens(tmp_path / "c.png")
    assert opens(tmp_path / "f.png")
    assert "could not be drawn" not in caplog.text


@pytest.mark.filterwarnings("error:Glyph")
@given(st.lists(st.text(st.characters(codec=None), max_size=12), min_size=2, max_size=3))
@settings(max_examples=15, deadline=None)
def test_any_names_are_drawn(names: list[str]) -> None:
    size = len(names)
    plot = confusion_plot(np.eye(size, dtype=int), names, names[0])
    assert plot is not None
    assert set(plot.legend.values()) <= {figures._printable(name) for name in names}


def test_without_shaping_joined_letters_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_shapes_text", lambda: False)
    assert fonts.choose_fonts([ARABIC, "a"], ["sans-serif"]) == (["sans-serif"], set(ARABIC))
    assert fonts.drawable("a\u200d\ufe0fb\x07") == "ab "


def test_a_plot_that_fails_is_a_warning_with_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def fail(figure: Figure) -> None:
        figure.add_subplot()
        raise ValueError("no")

    path = tmp_path / "c.png"
    write_plot(path, 3, 3, fail)
    assert f"{path}: this plot could not be drawn: ValueError: no" in caplog.text
    assert plot_address("the plot of x", 3, 3, fail) is None
    assert "the plot of x: this plot could not be drawn: ValueError: no" in caplog.text
    write_plot(tmp_path / "absent" / "file" / "c.png", 3, 3, lambda figure: None)
    (tmp_path / "is-a-file").touch()
    write_plot(tmp_path / "is-a-file" / "c.png", 3, 3, lambda figure: None)
    assert "is-a-file/c.png: this plot could not be drawn" in caplog.text
    assert not path.exists()


def test_many_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plot_confusion_matrix(
        np.eye(150, dtype=int).tolist(), [f"class {i}" for i in range(150)], tmp_path / "c.png", "run"
    )
    assert opens(tmp_path / "c.png")
    assert "could not be drawn" not in caplog.text


def test_series_that_begin_with_an_underscore_are_in_the_legend() -> None:
    assert [series_label(name) for name in ("row", "_row")] == ["row", " _row"]


def test_all_plots_of_the_project_go_through_one_function() -> None:
    calls = {
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "benchmarks", "examples")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Attribute) and node.attr in ("savefig", "print_figure", "FigureCanvasAgg"))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("matplotlib.backends"))
    }
    assert calls == {"src/clfa/figures.py"}
