from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.feature_extraction.text import TfidfVectorizer

from clfa.yardsticks.blocks import Scale, joined, tfidf

TEXTS = {"train": ["so sunny today", "So sunny", "rain", ""], "test": ["sunny snow", "snow"]}


def test_terms_are_those_of_at_least_two_training_texts() -> None:
    found = tfidf(TEXTS)
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", vocabulary=["so", "so sunny", "sunny"])
    words.set_params(sublinear_tf=True).fit(TEXTS["train"])
    assert found["train"].dtype == np.float32
    for name, texts in TEXTS.items():
        np.testing.assert_allclose(found[name][:, :3].toarray(), words.transform(texts).toarray(), rtol=1e-6)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    expected = characters.fit_transform(TEXTS["train"]).toarray()
    np.testing.assert_allclose(found["train"][:, 3:].toarray(), expected, rtol=1e-6)


def test_texts_without_a_common_term_have_one_empty_column() -> None:
    found = tfidf({"train": ["a1", "b2", ""], "validation": ["a1"]})
    assert [found[name].shape for name in ("train", "validation")] == [(3, 1), (1, 1)]
    assert found["train"].nnz == 0


def test_pooled_features_are_standardised_by_the_training_split() -> None:
    rng = np.random.default_rng(0)
    train = rng.normal(5, [1, 2, 0, 10], (50, 4)).astype(np.float32)
    missing = np.full((1, 4), np.nan, np.float32)
    scale = Scale.fit(np.concatenate([train, missing]))
    found = {"train": scale.apply(np.concatenate([train, missing])), "test": scale.apply(np.r_[missing, train[:1]])}
    np.testing.assert_allclose(found["train"][:50].mean(axis=0), 0, atol=1e-6)
    # A constant feature stays 0, the others have variance 1 / D.
    np.testing.assert_allclose(found["train"][:50].var(axis=0), [0.25, 0.25, 0, 0.25], atol=1e-5)
    assert found["train"][50].tolist() == found["test"][0].tolist() == [0, 0, 0, 0]
    np.testing.assert_allclose(found["test"][1], found["train"][0])


def test_features_that_are_missing_everywhere_are_zero() -> None:
    nothing = np.full((2, 3), np.nan, np.float32)
    assert Scale.fit(nothing).apply(nothing).tolist() == [[0] * 3] * 2


def test_blocks_are_joined_side_by_side() -> None:
    dense, sparse = {"train": np.ones((2, 3))}, {"train": csr_matrix(np.eye(2))}
    assert joined([dense, dense])["train"].shape == (2, 6)
    both = joined([dense, sparse])["train"]
    assert issparse(both)
    assert both.toarray().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 0, 1]]
