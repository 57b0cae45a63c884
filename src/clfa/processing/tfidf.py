"""TF-IDF terms of texts, words and characters; one definition for models and yardsticks."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np

# Largest numbers of terms.
WORDS, CHARACTERS = 20_000, 30_000

# Words of one letter count; emoticons and scripts without spaces are covered by the characters.
_WORD = re.compile(r"\w+")
_LENGTHS = range(2, 6)


def word_terms(text: str) -> list[str]:
    """Return the words of a text in lower case, and the pairs of words that follow each other.

    Example:
        >>> word_terms("So sunny :-)")
        ['so', 'sunny', 'so sunny']
    """
    words = _WORD.findall(text.lower())
    return [*words, *map(" ".join, pairwise(words))]


def character_terms(text: str) -> list[str]:
    """Return all sequences of 2 to 5 characters within what spaces separate, in lower case, with a space at both ends.

    These are scikit-learn's n-grams ``char_wb``: what is shorter than a length counts once, whole.

    Example:
        >>> character_terms(":)")
        [' :', ':)', ') ', ' :)', ':) ', ' :) ']
    """
    terms: list[str] = []
    for word in text.lower().split():
        padded = f" {word} "
        for length in _LENGTHS:
            last = len(padded) - length
            if last < 0:
                break
            terms += [padded[start : start + length] for start in range(last + 1)]
    return terms


def tfidf_vectorizers(words: int = WORDS, characters: int = CHARACTERS) -> tuple[Any, Any]:
    """Return unfitted vectorizers of :func:`word_terms` and of :func:`character_terms`.

    Terms that are in at least two texts count, the most frequent ones. Frequencies are logarithmic. Each row has length
    1, or 0 without a known term.

    Args:
        words: Largest number of words.
        characters: Largest number of character sequences.

    Returns:
        Two of scikit-learn's ``TfidfVectorizer``, with weights in float32. ``fit`` raises a ``ValueError`` if no term
        is in two texts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    common = {"min_df": 2, "sublinear_tf": True, "dtype": np.float32}
    return (
        TfidfVectorizer(analyzer=word_terms, max_features=words, **common),
        TfidfVectorizer(analyzer=character_terms, max_features=characters, **common),
    )
