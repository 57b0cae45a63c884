from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion

from clfa.errors import DataError, ModelError
from clfa.processing.terms import TermRow, Terms, pad_terms
from clfa.yardsticks.blocks import tfidf

TEXTS: list[str | None] = [
    "so sunny today",
    "So sunny :-)",
    "rain again, rain",
    None,
    "",
    "日本 rain 日本語",
    "so so :-)",
]
NEW: list[str | None] = ["a sunny sunny snow", None, "", "日本", "zzz", "so so rain rain rain", "ZU SO"]


def dense(rows: list[TermRow], width: int) -> np.ndarray:
    found = np.zeros((len(rows), width), np.float32)
    for row, (ids, weights) in zip(found, rows, strict=True):
        row[ids] = weights
    return found


def union(texts: list[str | None]) -> FeatureUnion:
    common: dict[str, Any] = {"min_df": 2, "sublinear_tf": True}
    words = TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", **common)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common)
    return FeatureUnion([("words", words), ("characters", characters)]).fit([text or "" for text in texts])


@pytest.fixture(scope="module")
def terms() -> Terms:
    return Terms.fit(TEXTS)


# Terms and weights.


def test_weights_are_those_of_scikit_learn(terms: Terms) -> None:
    expected = union(TEXTS)
    names = [name.split("__")[1] for name in expected.get_feature_names_out()]
    assert [*terms.vocabulary["words"], *terms.vocabulary["characters"]] == names
    assert len(terms) == len(names)
    for texts in (TEXTS, NEW):
        found = terms(texts)
        matrix = expected.transform([text or "" for text in texts]).toarray()
        np.testing.assert_allclose(dense(found, len(terms)), matrix, atol=1e-6)
        np.testing.assert_array_equal(terms.matrix(texts).toarray(), dense(found, len(terms)))


def test_weights_are_those_of_the_yardstick(terms: Terms) -> None:
    blocks = tfidf({name: [text or "" for text in texts] for name, texts in (("train", TEXTS), ("test", NEW))})
    for name, texts in (("train", TEXTS), ("test", NEW)):
        np.testing.assert_allclose(terms.matrix(texts).toarray(), blocks[name].toarray(), atol=1e-6)


def test_rows_have_ascending_ids_and_length_one_in_each_part(terms: Terms) -> None:
    (ids, weights), *_ = terms(["so sunny"])
    assert (ids.dtype, weights.dtype) == (np.int64, np.float32)
    assert (np.diff(ids) > 0).all()
    words = ids < len(terms.vocabulary["words"])
    assert [terms.vocabulary["words"][i] for i in ids[words]] == ["so", "so sunny", "sunny"]
    for part in (words, ~words):
        assert np.square(weights[part]).sum() == pytest.approx(1, abs=1e-6)


def test_texts_without_known_terms_have_none(terms: Terms) -> None:
    rows = terms([None, "", "zzz", " "])
    assert [(len(ids), len(weights)) for ids, weights in rows] == [(0, 0)] * 4
    assert terms([]) == []
    assert terms.matrix([]).shape == (0, len(terms))


def test_a_text_has_the_same_terms_alone_and_in_a_batch(terms: Terms) -> None:
    for text, (ids, weights) in zip(NEW, terms(NEW), strict=True):
        ((own_ids, own_weights),) = terms([text])
        assert ids.tolist() == own_ids.tolist()
        assert weights.tolist() == own_weights.tolist()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.none() | st.text("abAB \n.é日😀", max_size=12), min_size=1, max_size=8))
def test_any_text_has_finite_weights_in_the_vocabulary(texts: list[str | None]) -> None:
    known = Terms.fit(["ab a é日", "AB a é日"])
    for ids, weights in known(texts):
        assert np.isfinite(weights).all()
        assert ((ids >= 0) & (ids < len(known))).all()


def test_the_most_frequent_terms_are_kept() -> None:
    texts = ["so sunny", "so sunny", "so rainy", "so rainy", "so"]
    few = Terms.fit(texts, max_terms=5)
    assert {part: len(found) for part, found in few.vocabulary.items()} == {"words": 2, "characters": 3}
    assert "so" in few.vocabulary["words"]
    assert len(Terms.fit(texts, max_terms=2)) == 2
    with pytest.raises(ValueError, match="max_terms is 1; give 2 or more"):
        Terms.fit(texts, max_terms=1)


def test_one_part_alone() -> None:
    # No two texts share a word, but all share parts of words.
    terms = Terms.fit(["sunny", "sunnier"])
    assert (len(terms.vocabulary["words"]), len(terms.vocabulary["characters"]) > 3) == (0, True)
    assert len(terms(["sun"])[0][0]) > 0


@pytest.mark.parametrize("texts", [[], ["a1"], ["a1", "b2", None], [None, ""]])
def test_texts_that_share_nothing_are_an_error(texts: list[str | None]) -> None:
    problem = f"no word or part of a word is in two of the {len(texts)} training texts.*or train without terms"
    with pytest.raises(DataError, match=problem):
        Terms.fit(texts)


# Batches.


def test_rows_are_padded_with_weight_zero() -> None:
    rows = [(np.array([3, 5]), np.array([0.6, 0.8], np.float32)), (np.array([], np.int64), np.array([], np.float32))]
    ids, weights = pad_terms(rows)
    assert ids.tolist() == [[3, 5], [0, 0]]
    np.testing.assert_allclose(weights, [[0.6, 0.8], [0, 0]])
    assert (ids.dtype, weights.dtype) == (np.int64, np.float32)


def test_a_batch_without_terms_has_one_column_of_padding() -> None:
    for size in (0, 2):
        ids, weights = pad_terms([(np.array([], np.int64), np.array([], np.float32))] * size)
        assert (ids.shape, weights.shape) == ((size, 1), (size, 1))
        assert not ids.any()
        assert not weights.any()


def test_padding_has_no_effect_in_a_weighted_sum(terms: Terms) -> None:
    table = torch.randn(len(terms), 3)
    ids, weights = pad_terms(terms(NEW))
    found = (table[ids] * weights[..., None]).sum(dim=1)
    expected = csr_matrix(terms.matrix(NEW)) @ table.numpy()
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


# Files.


def test_saved_terms_are_the_same_terms(terms: Terms, tmp_path: Path) -> None:
    terms.save(tmp_path / "terms.json")
    loaded = Terms.load(tmp_path / "terms.json")
    assert loaded == terms
    assert hash(loaded) == hash(terms)
    np.testing.assert_array_equal(loaded.matrix(NEW).toarray(), terms.matrix(NEW).toarray())
    loaded.save(tmp_path / "again.json")
    Terms.fit(TEXTS).save(tmp_path / "fitted.json")
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    assert repr(terms) == repr(loaded)
    assert repr(terms).startswith(f"Terms({len(terms.vocabulary['words'])} words, ")


def test_terms_differ_by_content(terms: Terms) -> None:
    assert Terms.fit([*TEXTS, "so"]) != terms
    assert terms != "terms"
    assert Terms.fit([*TEXTS, "so"]).fingerprint != terms.fingerprint


def test_copies_and_half_surrogate_pairs(terms: Terms, tmp_path: Path) -> None:
    for other in (copy.deepcopy(terms), pickle.loads(pickle.dumps(terms))):  # noqa: S301 - written here
        assert other == terms
        np.testing.assert_array_equal(other.matrix(NEW).toarray(), terms.matrix(NEW).toarray())
    broken = Terms.fit(["so \ud800", "so \ud800"])
    broken.save(tmp_path / "terms.json")
    assert Terms.load(tmp_path / "terms.json") == broken


PART = {"terms": ["so", "sunny"], "idf": [1.5, 2]}
GOOD: dict[str, Any] = {"format": 1, "words": PART, "characters": {"terms": [], "idf": []}}


def test_a_file_by_hand(tmp_path: Path) -> None:
    (tmp_path / "terms.json").write_text(json.dumps(GOOD), encoding="utf-8")
    ((ids, weights),) = Terms.load(tmp_path / "terms.json")(["sunny so"])
    assert ids.tolist() == [0, 1]
    assert weights.tolist() == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"words": {**PART, "idf": [1.5]}}, r"words has 2 terms and 1 values of idf"),
        ({"words": {**PART, "idf": [1.5, float("nan")]}}, r"the idf nan for 'sunny', which is no inverse document"),
        ({"words": {**PART, "idf": [1.5, float("inf")]}}, r"the idf inf for 'sunny'"),
        ({"words": {**PART, "idf": [1.5, 10**400]}}, r"the idf 10+ for 'sunny'"),
        ({"words": {**PART, "idf": [0, 2]}}, r"the idf 0 for 'so'"),
        ({"words": {**PART, "idf": [1.5, "2"]}}, r"the idf '2' for 'sunny'"),
        ({"words": {**PART, "idf": [1.5, True]}}, r"the idf True for 'sunny'"),
        ({"words": {**PART, "terms": ["so", "so"]}}, r"words has the term 'so' twice"),
        ({"words": {**PART, "terms": ["so", ""]}}, r"words has the term '', which is not a text"),
        ({"words": {**PART, "terms": ["so", ["a"]]}}, r"words has the term \['a'\], which is not a text"),
        ({"words": {"terms": ["so"]}}, r"words has no lists terms and idf"),
        ({"words": {"terms": "so", "idf": [1.5, 2]}}, r"words has no lists terms and idf"),
        ({"characters": None}, r"characters has no lists terms and idf"),
        ({"words": {"terms": [], "idf": []}}, r"it has no terms"),
        ({"format": 2}, r"no terms in format 1, which this version of clfa reads"),
    ],
)
def test_damaged_content(changes: dict[str, Any], problem: str, tmp_path: Path) -> None:
    (tmp_path / "terms.json").write_text(json.dumps({**GOOD, **changes}), encoding="utf-8")
    with pytest.raises(ModelError, match=rf"terms\.json cannot be used \(.*{problem}.*\); copy it again from where"):
        Terms.load(tmp_path / "terms.json")


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, json.dumps(GOOD).encode()[:-9]])
def test_a_broken_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "terms.json").write_bytes(content)
    with pytest.raises(ModelError, match=r"terms\.json cannot be used \(.*\); copy it again from where the model was"):
        Terms.load(tmp_path / "terms.json")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"terms\.json cannot be used"):
        Terms.load(tmp_path / "terms.json")


def test_looking_up_terms_imports_no_scikit_learn() -> None:
    program = (
        "import sys\n"
        "from clfa.processing.terms import Terms, pad_terms\n"
        "terms = Terms({'words': ['so'], 'characters': []}, {'words': [1.5], 'characters': []})\n"
        "assert pad_terms(terms(['so']))[1].tolist() == [[1]]\n"
        "print({'sklearn', 'scipy'} & set(sys.modules))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "set()\n"
