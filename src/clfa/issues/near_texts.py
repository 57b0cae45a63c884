"""Nearly equal texts, by their common character n-grams."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from clfa.data.groups import normalised_text

# Smallest Jaccard similarity of the sets of character 5-grams.
THRESHOLD = 0.8
_N = 5
# Frequent n-grams tell little about which texts are copies, and would make all pairs candidates.
_MAX_TEXTS = 100
_NAMES = re.compile(r"https?\s?:\s?/\s?/\s?\S+|<\w+>|(?:\brt\s+)?@\w+")
_PUNCTUATION = re.compile(r"[\W_]+")


def bare_text(text: str | None) -> str:
    """Return a text without addresses, names of users, marks of retweets, punctuation and differences of case.

    Example:
        >>> bare_text("@ann So  SUNNY!! https://t.co/x1")
        'so sunny'
    """
    return " ".join(_PUNCTUATION.sub(" ", _NAMES.sub(" ", normalised_text(text))).split())


def near_texts(texts: Sequence[str | None], threshold: float = THRESHOLD) -> list[tuple[int, int]]:
    """Return the pairs (i < j) of nearly equal texts.

    Two texts are nearly equal if they are equal as :func:`bare_text`, or share ``threshold`` of their character
    5-grams. Candidates are texts that share half of their 5-grams that are in at most 100 different texts. Texts
    without a letter or digit equal no other.

    Args:
        texts: N texts.
        threshold: Smallest Jaccard similarity.
    """
    positions: dict[str, list[int]] = {}
    for position, text in enumerate(map(bare_text, texts)):
        if text:
            positions.setdefault(text, []).append(position)
    # All copies of a text are connected through its first one.
    first = [members[0] for members in positions.values()]
    pairs = [(members[0], other) for members in positions.values() for other in members[1:]]
    pairs += [tuple(sorted((first[i], first[j]))) for i, j in _similar(list(positions), threshold)]  # type: ignore[misc]
    return sorted(pairs)


def _similar(texts: list[str], threshold: float) -> list[tuple[int, int]]:
    long = [position for position, text in enumerate(texts) if len(text) >= _N]
    if len(long) < 2:
        return []
    counter = CountVectorizer(analyzer="char", ngram_range=(_N, _N), binary=True, dtype=np.int32)
    grams = counter.fit_transform([texts[position] for position in long]).tocsr()
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    frequency = np.asarray(grams.sum(axis=0)).ravel()
    rare = grams[:, frequency <= _MAX_TEXTS]
    rare_sizes = np.asarray(rare.sum(axis=1)).ravel()
    shared = (rare @ rare.T).tocoo()
    candidate = (shared.row < shared.col) & (
        2 * shared.data >= np.maximum(rare_sizes[shared.row], rare_sizes[shared.col])
    )
    one, other = shared.row[candidate], shared.col[candidate]
    common = np.asarray(grams[one].multiply(grams[other]).sum(axis=1)).ravel()
    near = common >= threshold * (sizes[one] + sizes[other] - common)
    return [(long[i], long[j]) for i, j in zip(one[near].tolist(), other[near].tolist(), strict=True)]
