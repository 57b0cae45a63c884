"""Whether a tokenizer has the words of texts as a whole, or in pieces."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

# Names and addresses are no words of a language.
_NO_WORDS = re.compile(r"https?\s?:\s?/\s?/\s?\S+|<\w+>|[@#]\s?\w+")
_WORD = re.compile(r"[^\W\d_]+")
# Larger vocabularies are of many languages, and have pieces of words in each.
MOST_TOKENS = 100_000
# With fewer words, the share varies too much.
MIN_WORDS = 50
# Words that are looked at.
MAX_WORDS = 5_000


class WholeWords:
    """Counts of the words of texts, in scripts with an alphabet.

    Args:
        tokenizer: A tokenizer of Transformers.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._few = 0 < getattr(tokenizer, "vocab_size", 0) <= MOST_TOKENS
        self._words: Counter[str] = Counter()
        self._count = 0

    def clear(self) -> None:
        """Forget the texts so far."""
        self._words.clear()
        self._count = 0

    def add(self, text: str) -> None:
        """Count the words of a text, until there are enough."""
        if self._few and self._count < MAX_WORDS:
            found = _WORD.findall(_NO_WORDS.sub(" ", text))
            self._count += len(found)
            # In capitals, few words are in a vocabulary with letter case.
            self._words.update(word if word.istitle() else word.lower() for word in found)

    def share(self) -> float | None:
        """Return the share of the words that are one token; ``None`` with too few words or a large vocabulary."""
        if not self._few or self._count < MIN_WORDS:
            return None
        words = list(self._words)
        # After a blank, as within a text.
        ids = self._tokenizer([f" {word}" for word in words], add_special_tokens=False)["input_ids"]
        whole = sum(self._words[word] for word, own in zip(words, ids, strict=True) if len(own) == 1)
        return whole / self._count
