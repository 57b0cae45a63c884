from __future__ import annotations

import sys
from pathlib import Path

import pytest

from clfa.errors import DataError, RecipeError
from clfa.knowledge.antonyms import Antonyms

pytest.importorskip("nltk")


@pytest.fixture(scope="module")
def antonyms(wordnet_dir: Path) -> Antonyms:
    return Antonyms.load(str(wordnet_dir))


@pytest.mark.parametrize(
    ("first", "second", "value"),
    [
        # man to the antonym of woman, which is man: distance 0, similarity 1; and the other way round.
        ("man", "woman", 1.0),
        ("love", "hate", 1.0),
        # man - person - woman: distance 2, similarity 1/3, twice.
        ("man", "man", 1 / 3),
        # man - person - entity - hate: distance 3, similarity 1/4; love - entity - person - woman: the same.
        ("man", "love", 1 / 4),
        # love - entity - hate: distance 2.
        ("love", "love", 1 / 3),
        ("MEN", "Woman", 1.0),
        # No antonym; no such word.
        ("person", "man", 0.0),
        ("man", "table", 0.0),
    ],
)
def test_worked_by_hand(antonyms: Antonyms, first: str, second: str, value: float) -> None:
    assert antonyms(first, second) == pytest.approx(value)
    assert antonyms(second, first) == pytest.approx(value)


def test_who_has_one(antonyms: Antonyms) -> None:
    assert [antonyms.has_antonym(word) for word in ("man", "hate", "person", "table")] == [True, True, False, False]


def test_fingerprint(antonyms: Antonyms, wordnet_dir: Path, tmp_path: Path) -> None:
    import shutil

    other = Path(shutil.copytree(wordnet_dir, tmp_path / "other"))
    assert Antonyms.load(str(other)).fingerprint == antonyms.fingerprint
    content = (other / "data.noun").read_text().replace("| a hate", "| an hate")
    (other / "data.noun").write_text(content)
    assert Antonyms.load(str(other)).fingerprint != antonyms.fingerprint


def test_no_wordnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="holds no WordNet that NLTK can read"):
        Antonyms.load(str(tmp_path))
    monkeypatch.setattr("nltk.data.path", [])
    with pytest.raises(DataError, match=r"the antonym graph needs WordNet: run .*knowledge\.wordnet_path"):
        Antonyms.load()


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nltk.corpus.reader.wordnet", None)
    with pytest.raises(RecipeError, match=r"needs NLTK; install it with pip install 'clfa\[knowledge\]'"):
        Antonyms.load()
