"""Words of a text, and the assignment of word pieces to words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Letters and digits with inner apostrophes and hyphens; or a run of other characters, because lexicons have emoticons.
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]+|_+")


@dataclass(frozen=True)
class Pieces:
    """A tokenised text.

    Args:
        words: The W words of the tokenised part of the text.
        word_of: Index of each piece's word, -1 for special tokens and other pieces without a word (T,).
        special: Whether a piece is a special token of the tokenizer (T,).
    """

    words: list[str]
    word_of: np.ndarray
    special: np.ndarray


def align(text: str, offsets: Sequence[tuple[int, int]], special: Sequence[int]) -> Pieces:
    """Find the word of each piece.

    Args:
        text: The text that was tokenised.
        offsets: Start and end (exclusive) of each piece in characters (T), as given by a fast tokenizer.
        special: 1 for special tokens (T).

    Returns:
        Pieces; a piece that spans several words belongs to the first of them.

    Example:
        >>> pieces = align("so rainy!", [(0, 0), (0, 2), (3, 7), (7, 8), (8, 9), (0, 0)], [1, 0, 0, 0, 0, 1])
        >>> pieces.words, pieces.word_of.tolist()
        (['so', 'rainy', '!'], [-1, 0, 1, 1, 2, -1])
    """
    end = max((stop for _, stop in offsets), default=0)
    words: list[str] = []
    word_at = np.full(len(text), -1)
    for number, found in enumerate(_WORD.finditer(text)):
        if found.start() >= end:
            break
        words.append(found.group())
        word_at[found.start() : found.end()] = number
    word_of = np.full(len(offsets), -1)
    for position, (start, stop) in enumerate(offsets):
        touched = word_at[start:stop]
        touched = touched[touched >= 0]
        if not special[position] and len(touched):
            word_of[position] = touched[0]
    return Pieces(words, word_of, np.asarray(special, dtype=bool))
