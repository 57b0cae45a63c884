"""Terms: words and parts of words of the training texts with their TF-IDF weights, as an input of a model."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from clfa.errors import DataError, ModelError
from clfa.files import atomic_write
from clfa.processing.tfidf import CHARACTERS, WORDS, character_terms, tfidf_vectorizers, word_terms

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TERMS_FILE = "terms.json"
# Increased when the texts' analysis or the file changes, so that a model never gets other terms than in its training.
_FORMAT = 1
_PARTS = {"words": word_terms, "characters": character_terms}
# Far above any inverse document frequency, which is a logarithm.
_LARGEST = 1e6

# Ids (n,) int64 in ascending order, and weights (n,) float32, of the terms of a text.
TermRow = tuple[np.ndarray, np.ndarray]


class Terms:
    """A vocabulary of words (1- and 2-grams) and characters within words (2- to 5-grams) with their rarity.

    A text encoder cuts a word that it does not know into pieces, and its meaning in the data is lost. Terms keep it.

    Args:
        vocabulary: Terms of ``words`` and of ``characters``. The ids are the positions, those of characters after those
            of words.
        idf: Inverse document frequency of each term, for the same two keys.

    Raises:
        ValueError: If there are no terms, a term is empty, no text or there twice, or the frequencies do not fit.

    Example:
        >>> terms = Terms.fit(["so sunny", "so rainy", "rain"])
        >>> [(ids, weights)] = terms(["so so"])
        >>> [terms.vocabulary["words"][i] for i in ids if i < 1], weights.shape
        (['so'], (7,))
    """

    def __init__(self, vocabulary: Mapping[str, Sequence[str]], idf: Mapping[str, Sequence[float]]) -> None:
        for part in _PARTS:
            _check(part, vocabulary[part], idf[part])
        self.vocabulary = {part: tuple(vocabulary[part]) for part in _PARTS}
        self.idf = {part: np.asarray(idf[part], dtype=np.float32) for part in _PARTS}
        if not len(self):
            raise ValueError("it has no terms")

    @classmethod
    def fit(cls, texts: Sequence[str | None], max_terms: int = WORDS + CHARACTERS) -> Terms:
        """Return the most frequent terms that are in at least two texts.

        Args:
            texts: Texts of the training split; ``None`` or empty for a sample without text.
            max_terms: Largest number of terms; two fifths of them are for words.

        Raises:
            ValueError: If ``max_terms`` is below 2.
            DataError: If no term is in two texts.
        """
        if max_terms < 2:
            raise ValueError(f"max_terms is {max_terms}; give 2 or more, for a word and a part of a word.")
        words = max(1, max_terms * WORDS // (WORDS + CHARACTERS))
        vocabulary: dict[str, Sequence[str]] = {}
        idf: dict[str, Sequence[float]] = {}
        for part, vectorizer in zip(_PARTS, tfidf_vectorizers(words, max_terms - words), strict=True):
            vocabulary[part], idf[part] = (), ()
            try:
                vectorizer.fit(_filled(texts))
            except ValueError:
                # No term is in two texts.
                continue
            vocabulary[part], idf[part] = vectorizer.get_feature_names_out().tolist(), vectorizer.idf_
        if not any(vocabulary.values()):
            raise DataError(
                f"no word or part of a word is in two of the {len(texts):,} training texts, so that a model can learn "
                "nothing from single terms; give more texts, or train without terms."
            )
        return cls(vocabulary, idf)

    def __len__(self) -> int:
        """Return the number of terms."""
        return sum(map(len, self.vocabulary.values()))

    def __call__(self, texts: Sequence[str | None]) -> list[TermRow]:
        """Return the known terms of each text: ids in ascending order (n,) int64, and weights (n,) float32.

        The weights of words and of characters have length 1 each. A text without a known term, an empty or a missing
        text has none.

        Args:
            texts: Texts; ``None`` for a sample without text.
        """
        return [self._row(text or "") for text in texts]

    def matrix(self, texts: Sequence[str | None]) -> csr_matrix:
        """Return the weights of all terms in each text (N, terms), sparse, float32; see :meth:`__call__`."""
        from scipy.sparse import csr_matrix

        rows = self(texts)
        ends = np.cumsum([0, *(len(ids) for ids, _ in rows)])
        ids = np.concatenate([np.empty(0, np.int64), *(ids for ids, _ in rows)])
        weights = np.concatenate([np.empty(0, np.float32), *(weights for _, weights in rows)])
        return csr_matrix((weights, ids, ends), shape=(len(rows), len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """Hexadecimal digest of terms, order and frequencies."""
        return hashlib.blake2b(self._text().encode(), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Terms) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        words, characters = (len(self.vocabulary[part]) for part in _PARTS)
        return f"Terms({words} words, {characters} character sequences, {self.fingerprint})"

    def __getstate__(self) -> dict[str, Any]:
        # Made again where it is needed, for instance in a worker process.
        return {name: value for name, value in self.__dict__.items() if name != "_places"}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the terms as JSON; equal terms give equal files."""
        with atomic_write(path) as file:
            file.write(self._text())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Terms:
        """Read what :meth:`save` wrote.

        Raises:
            ModelError: If the file cannot be read, or its content is not valid; the message names it.
        """
        try:
            with open(path, encoding="utf-8") as file:
                content = json.load(file)
            if not isinstance(content, dict) or content.get("format") != _FORMAT:
                raise ValueError(f"no terms in format {_FORMAT}, which this version of clfa reads")
            vocabulary, idf = {}, {}
            for part in _PARTS:
                entry = content.get(part)
                if not isinstance(entry, dict) or any(not isinstance(entry.get(key), list) for key in ("terms", "idf")):
                    raise ValueError(f"{part} has no lists terms and idf")
                vocabulary[part], idf[part] = entry["terms"], entry["idf"]
            return cls(vocabulary, idf)
        except (OSError, ValueError, RecursionError) as error:
            raise ModelError(
                f"{path} cannot be used ({error}); copy it again from where the model was saved, or save the processor "
                "again."
            ) from error

    @cached_property
    def _places(self) -> dict[str, dict[str, int]]:
        return {part: {term: place for place, term in enumerate(terms)} for part, terms in self.vocabulary.items()}

    def _row(self, text: str) -> TermRow:
        """Return what scikit-learn computes, without its import, which takes longer than a prediction."""
        ids, weights, first = [], [], 0
        for part, terms_of in _PARTS.items():
            known = [place for place in map(self._places[part].get, terms_of(text)) if place is not None]
            places, frequencies = np.unique(np.array(known, np.int64), return_counts=True)
            found = (1 + np.log(frequencies)) * self.idf[part][places]
            ids.append(first + places)
            weights.append((found / (np.linalg.norm(found) or 1)).astype(np.float32))
            first += len(self.vocabulary[part])
        return np.concatenate(ids), np.concatenate(weights)

    def _text(self) -> str:
        content: dict[str, Any] = {"format": _FORMAT}
        for part in _PARTS:
            # The shortest number that is the same in float32.
            idf = [float(str(value)) for value in self.idf[part]]
            content[part] = {"terms": self.vocabulary[part], "idf": idf}
        # In ASCII, because a term may contain half of a surrogate pair.
        return json.dumps(content) + "\n"


def pad_terms(rows: Sequence[TermRow]) -> tuple[np.ndarray, np.ndarray]:
    """Return the terms of B texts as one batch, padded to the longest row and to 1 at least.

    Args:
        rows: Ids and weights of each text, from :class:`Terms`.

    Returns:
        Ids (B, N) int64 and weights (B, N) float32. Padding has id 0 and weight 0: no effect in a weighted sum.

    Example:
        >>> ids, weights = pad_terms([(np.array([3, 5]), np.array([0.6, 0.8])), (np.array([], int), np.array([]))])
        >>> ids.tolist(), weights.shape
        ([[3, 5], [0, 0]], (2, 2))
    """
    longest = max([1, *(len(ids) for ids, _ in rows)])
    term_ids, term_weights = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.float32)
    for row, (ids, weights) in enumerate(rows):
        term_ids[row, : len(ids)], term_weights[row, : len(ids)] = ids, weights
    return term_ids, term_weights


def _filled(texts: Sequence[str | None]) -> list[str]:
    return [text or "" for text in texts]


def _check(part: str, terms: Sequence[Any], idf: Sequence[Any]) -> None:
    if len(terms) != len(idf):
        raise ValueError(f"{part} has {len(terms)} terms and {len(idf)} values of idf")
    seen = set()
    for term, value in zip(terms, idf, strict=True):
        if not isinstance(term, str) or not term:
            raise ValueError(f"{part} has the term {term!r}, which is not a text")
        if term in seen:
            raise ValueError(f"{part} has the term {term!r} twice")
        seen.add(term)
        number = not isinstance(value, bool | str) and isinstance(value, int | float | np.floating)
        # Also false for NaN.
        if not number or not 0 < value < _LARGEST:
            raise ValueError(f"{part} has the idf {value!r} for {term!r}, which is no inverse document frequency")
