"""TF-IDF features of texts and of knowledge texts."""

from __future__ import annotations

from collections.abc import Sequence

from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from clfa.errors import DataError


def word_features(texts: Sequence[str], knowledge: Sequence[str | None] = ()) -> csr_matrix:
    """Return TF-IDF features (N, features) of words, word pairs and character 2- to 5-grams.

    Features of a single text are left out; no labels are used, so that one matrix serves all folds.

    Args:
        texts: N texts.
        knowledge: Knowledge text of each sample, whose words are features of their own; empty without knowledge.

    Raises:
        DataError: If no two texts have anything in common.
    """
    blocks: list[tuple[TfidfVectorizer, Sequence[str]]] = [
        (TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), texts),
        (TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True), texts),
    ]
    if any(knowledge):
        filled = [text or "" for text in knowledge]
        blocks.append((TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), filled))
    features = []
    for vectorizer, contents in blocks:
        try:
            features.append(vectorizer.fit_transform(contents))
        except ValueError:  # No n-gram is in two texts.
            continue
    if not features:
        raise DataError("labels cannot be ranked: no two texts have a word or part of a word in common")
    return hstack(features).tocsr()
