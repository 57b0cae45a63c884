from __future__ import annotations

from pathlib import Path

import pytest

from clfa.errors import DataError, RecipeError
from clfa.knowledge import LEXICONS
from clfa.knowledge.senticnet import read_senticnet

ASSIGNED = """# SenticNet, invented concepts
senticnet = {}
senticnet['a_lot'] = ['0.1', '0', '0', '0', '#joy', '#calmness', 'positive', '0.25', 'many', 'much']
senticnet["don't_like"] = ['0', '0', '0', '0', '#anger', '#disgust', 'negative', '-0.75', 'hate']
"""
LITERAL = """senticnet = {
    'a_lot': ['0.1', '0', '0', '0', '#joy', '#calmness', 'positive', 0.25, 'many'],
    "don't_like": ['0', '0', '0', '0', '#anger', '#disgust', 'negative', '-0.75', 'hate'],
}
"""
TABLE = "a_lot\tpositive\t0.25\ndon't_like\tnegative\t-0.75\n"


@pytest.mark.parametrize("content", [ASSIGNED, LITERAL, TABLE, "CONCEPT\tPOLARITY\tINTENSITY\n" + TABLE])
def test_forms(tmp_path: Path, content: str) -> None:
    path = tmp_path / "senticnet"
    path.write_text(content)
    lexicon = LEXICONS.get("senticnet")(path)
    assert len(lexicon) == 2
    assert lexicon(["A", "lot", "I", "don't", "like"]) == [0.25, 0.25, None, -0.75, -0.75]


def test_nothing_is_run(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = tmp_path / "senticnet.py"
    path.write_text(f"senticnet['a'] = [open({str(trap)!r}, 'w'), 'positive', '1']\n")
    with pytest.raises(DataError, match=r"senticnet\.py:1: expected \[\.\.\., polarity label"):
        read_senticnet(path)
    path.write_text(f"open({str(trap)!r}, 'w')\n")
    with pytest.raises(DataError, match=r"senticnet\.py:1: neither senticnet\['concept'\]"):
        read_senticnet(path)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import os\n", "s:1: neither"),
        ("senticnet['a'] = ['0.1', '0.2']\n", "s:1: expected"),
        ("senticnet['a'] = ['positive']\n", "s:1: expected"),
        (TABLE + "b\tpositive\tvery\n", "s:3: the intensity 'very' is not a number"),
        (TABLE + "b\tpositive\t2\n", "s:3: the intensity 2 is not between -1 and 1"),
        ("senticnet = {}\n", "s holds no concept"),
        ("x" * 30_000, "s:1: the line is longer than 20,000 characters"),
        (None, "s cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "s"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_senticnet(path)


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s"
    path.write_text(TABLE)
    monkeypatch.setattr("clfa.knowledge.senticnet._MAX_BYTES", 10)
    with pytest.raises(DataError, match="s is larger than 10 bytes"):
        read_senticnet(path)


def test_no_file_named() -> None:
    with pytest.raises(RecipeError, match=r"senticnet needs knowledge\.lexicon_path"):
        read_senticnet()
