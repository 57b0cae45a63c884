"""TF-IDF weights of words and characters; one definition for models and yardsticks."""

from __future__ import annotations

from typing import Any

import numpy as np

# Largest numbers of terms.
WORDS, CHARACTERS = 20_000, 30_000


def tfidf_vectorizers(words: int = WORDS, characters: int = CHARACTERS) -> tuple[Any, Any]:
    """Return unfitted vectorizers of words (1- and 2-grams) and of characters within words (2- to 5-grams).

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
        # Words of one letter count; emoticons and scripts without spaces are covered by the characters.
        TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"\w+", max_features=words, **common),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), max_features=characters, **common),
    )
