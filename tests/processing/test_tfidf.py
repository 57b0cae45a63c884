from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from clfa.processing.tfidf import character_terms, tfidf_vectorizers, word_terms

words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+").build_analyzer()
characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5)).build_analyzer()

anything = st.text(st.characters(codec=None), max_size=30) | st.text("aB1_ \n\t\u00a0\u3000.:)é日😀İẞ", max_size=30)


@settings(max_examples=300, deadline=None)
@given(anything)
@example("So SUNNY :-) ")
@example("  ")
@example("\x1c a\x85b \u200b c\ufeff")
def test_the_terms_are_those_of_scikit_learn(text: str) -> None:
    assert sorted(word_terms(text)) == sorted(words(text))
    assert sorted(character_terms(text)) == sorted(characters(text))


def test_terms_of_one_text_are_too_few() -> None:
    for vectorizer in tfidf_vectorizers():
        with pytest.raises(ValueError, match="no terms remain"):
            vectorizer.fit(["a b", "cd"])


def test_limits() -> None:
    for vectorizer in tfidf_vectorizers(words=2, characters=3):
        vectorizer.fit(["so sunny", "so sunny"])
    assert [len(v.vocabulary_) for v in (w.fit(["so sunny"] * 2) for w in tfidf_vectorizers(2, 3))] == [2, 3]
