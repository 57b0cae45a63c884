from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from clfa.data import Corpus
from clfa.data.schema import COLUMNS
from clfa.errors import DataError
from clfa.knowledge import KNOWLEDGE_SOURCES
from clfa.knowledge.fill import fill_knowledge
from clfa.knowledge.recipe import KnowledgeRecipe
from clfa.knowledge.texts import KnowledgeTexts
from knowledge.fake_ocr import FakeOCR


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWLEDGE_SOURCES._entries, "ocr", f"{FakeOCR.__module__}:FakeOCR")


def filled_by(cache: Path, corpus: Corpus, *sources: str) -> Corpus:
    return fill_knowledge(corpus, KnowledgeTexts(KnowledgeRecipe(sources=list(sources)), cache))


def test_a_corpus_is_filled(tmp_path: Path, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(train=4, validation=2)
    filled = filled_by(tmp_path, corpus, "ocr", "hashtags")
    assert list(filled.splits) == list(corpus.splits)
    for name, split in filled.splits.items():
        assert split.features == corpus.splits[name].features
        for column in set(COLUMNS) - {"knowledge"}:
            assert split[column][:] == corpus.splits[name][column][:]
    # Their pictures are of red 0, 1, 2, ...
    assert filled.splits["train"]["knowledge"][:] == [None, "rot ñ 1", "rot ñ 2", "rot ñ 3"]
    assert filled.splits["validation"]["knowledge"][:] == ["rot ñ 4", "rot ñ 5"]
    chosen = type(corpus.splits)({"train": corpus.splits["train"].select([3, 1])})
    chosen = filled_by(tmp_path, Corpus("s", chosen, corpus.targets), "ocr")
    assert chosen.splits["train"]["knowledge"][:] == ["rot ñ 3", "rot ñ 1"]


def test_the_column_alone_leaves_a_corpus_as_it_is(tmp_path: Path, make_corpus: Callable[..., Corpus]) -> None:
    corpus = make_corpus(images=False)
    assert filled_by(tmp_path, corpus, "column") is corpus


def test_a_corpus_without_pictures(tmp_path: Path, make_corpus: Callable[..., Corpus]) -> None:
    with pytest.raises(DataError, match="synthetic has no images, but the knowledge source ocr reads images"):
        filled_by(tmp_path, make_corpus(images=False), "hashtags", "ocr")
