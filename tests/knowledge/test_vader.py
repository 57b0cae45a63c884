from __future__ import annotations

from pathlib import Path

import pytest

from clfa.errors import DataError, RecipeError
from clfa.knowledge import LEXICONS
from clfa.knowledge import vader as module
from clfa.knowledge.vader import read_vader


def test_the_packages_lexicon() -> None:
    pytest.importorskip("vaderSentiment")
    lexicon = LEXICONS.get("vader")()
    # Their file says good 1.9, bad -2.5, :) 2.0, of 4 at most.
    assert lexicon(["good", "bad", ":)", "table"]) == [0.475, -0.625, 0.5, None]
    assert len(lexicon) > 7000


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt"
    path.write_text("Good\t2.0\t0.1\t[2, 2]\n\nbad\t-4\n")
    assert read_vader(path)(["good", "bad"]) == [0.5, -1.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("good\n", r"lexicon\.txt:1: expected word<TAB>valence, got 'good'"),
        ("a\t1\ngood\tvery\n", r"lexicon\.txt:2: expected word<TAB>valence"),
        ("good\t4.5\n", r"lexicon\.txt:1: valence 4\.5 is not between -4 and 4"),
        ("\n", r"lexicon\.txt is empty"),
        (None, r"lexicon\.txt cannot be read"),
    ],
)
def test_bad_files(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "lexicon.txt"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_vader(path)


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"vader needs the package vaderSentiment; .*clfa\[knowledge\]"):
        read_vader()
