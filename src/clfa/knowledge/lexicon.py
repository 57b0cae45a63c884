"""A lexicon of polarities of words and concepts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence


class Lexicon:
    """Polarities of words and concepts, from -1 (negative) to 1 (positive).

    Args:
        name: Name of the lexicon, for messages.
        polarities: Polarity by concept; concepts are lower-case words separated by blanks.

    Attributes:
        fingerprint: Digest of the content; names the cache folder.

    Example:
        >>> Lexicon("tiny", {"good": 0.8, "a lot": 0.1})(["A", "lot", "of", "good"])
        [0.1, 0.1, None, 0.8]
    """

    def __init__(self, name: str, polarities: Mapping[str, float]) -> None:
        self.name = name
        self._polarities = dict(polarities)
        # Number of words of the longest concept by first word; longer sequences need not be looked up.
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
        """Return the polarity of each word of a text.

        At each position the longest matching concept is used; all its words get its polarity.

        Args:
            words: N words in order, in any case.

        Returns:
            N polarities, ``None`` if unknown.
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
