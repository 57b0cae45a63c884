"""Polarities of words and concepts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence


class Lexicon:
    """How good or bad words are.

    Args:
        name: Of the lexicon, for messages.
        polarities: By lower-case concept, its words separated by blanks; from -1 (bad) to 1 (good).

    Attributes:
        fingerprint: Of the content; caches are named after it.

    Example:
        >>> Lexicon("tiny", {"good": 0.8, "a lot": 0.1})(["A", "lot", "of", "good"])
        [0.1, 0.1, None, 0.8]
    """

    def __init__(self, name: str, polarities: Mapping[str, float]) -> None:
        self.name = name
        self._polarities = dict(polarities)
        # Longest concept by its first word: no longer run of words need be tried.
        self._longest: dict[str, int] = {}
        digest = hashlib.blake2b(digest_size=16)
        for concept in sorted(self._polarities):
            first, *rest = concept.split(" ")
            self._longest[first] = max(self._longest.get(first, 0), 1 + len(rest))
            digest.update(f"{concept}\t{self._polarities[concept]!r}\n".encode("utf-8", "replace"))
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._polarities)

    def __call__(self, words: Sequence[str]) -> list[float | None]:
        """Polarity of each word of a text.

        Args:
            words: N words in order, in any case. Of the concepts that begin at a word the longest wins, and gives its
                polarity to all its words.

        Returns:
            N polarities, ``None`` where unknown.
        """
        lowered = [word.lower().replace("’", "'") for word in words]
        found: list[float | None] = [None] * len(lowered)
        position = 0
        while position < len(lowered):
            step = 1
            for length in range(self._longest.get(lowered[position], 0), 0, -1):
                polarity = self._polarities.get(" ".join(lowered[position : position + length]))
                if polarity is not None and position + length <= len(lowered):
                    found[position : position + length] = [polarity] * length
                    step = length
                    break
            position += step
        return found
