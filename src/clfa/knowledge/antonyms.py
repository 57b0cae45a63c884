"""WordNet antonymy of word pairs."""

from __future__ import annotations

import hashlib
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

from clfa.errors import DataError, RecipeError

_FILES = ("data.noun", "data.verb", "data.adj", "data.adv")


class Antonyms:
    """How close each of two words is to the other's antonym.

    Args:
        wordnet: NLTK's reader of a WordNet.
        fingerprint: Of that WordNet.
    """

    def __init__(self, wordnet: Any, fingerprint: str) -> None:
        self.wordnet = wordnet
        self.fingerprint = fingerprint
        # Of an instance's own, so that readers of several WordNets do not share answers.
        self._senses = lru_cache(maxsize=None)(self._find)
        self._pairs = lru_cache(maxsize=1_000_000)(self._compare)

    @classmethod
    def load(cls, path: str | None = None) -> Antonyms:
        """WordNet from a folder or from NLTK's data.

        Args:
            path: Folder holding WordNet's ``data.noun``, ``index.noun``, ... (``dict`` of Princeton's archive, or
                ``corpora/wordnet`` of NLTK's data). When not given, NLTK looks in its own places.

        Raises:
            RecipeError: When NLTK is not installed.
            DataError: When there is no WordNet.
        """
        try:
            from nltk.corpus.reader.wordnet import WordNetCorpusReader
            from nltk.data import find
            from nltk.data import path as allowed
        except ImportError as error:
            raise RecipeError(
                "the antonym graph (knowledge.lambda2) needs NLTK; install it with pip install 'clfa[knowledge]'."
            ) from error
        try:
            root = Path(path).expanduser().resolve() if path is not None else Path(str(find("corpora/wordnet")))
        except LookupError:
            raise DataError(
                "the antonym graph needs WordNet: run python -m nltk.downloader wordnet and unpack it, or give the "
                "dict folder of WordNet's archive as knowledge.wordnet_path."
            ) from None

        class English(WordNetCorpusReader):
            def map_wn(self, version: str = "wordnet") -> dict[str, str]:
                # For other languages only, and it needs a second WordNet.
                return {}

        digest = hashlib.blake2b(digest_size=16)
        try:
            for name in _FILES:
                digest.update((root / name).read_bytes())
            if path is not None and str(root) not in allowed:
                # NLTK reads nothing outside the folders that it is told of.
                allowed.append(str(root))
            with warnings.catch_warnings():
                # About languages other than English.
                warnings.simplefilter("ignore")
                return cls(English(str(root), None), digest.hexdigest())
        except (OSError, LookupError, ValueError) as error:
            raise DataError(
                f"{root} holds no WordNet that NLTK can read ({str(error).strip()}); it needs the unpacked files of "
                "WordNet's dict folder."
            ) from error

    def __call__(self, first: str, second: str) -> float:
        """Mean of two path similarities: each word's first synset to the antonym of the other word's.

        The antonym is the first one of the first lemma that has any, in the word's first synset over all parts of
        speech, as in the authors' code.

        Args:
            first: A word, in any case or inflection.
            second: Another.

        Returns:
            From 0 to 1, where 1 means that each is the other's antonym; 0 where either has none.
        """
        a, b = sorted((first.lower(), second.lower()))
        return self._pairs(a, b)

    def has_antonym(self, word: str) -> bool:
        """Whether a word's first synset has an antonym: all others are 0 with every word."""
        return self._senses(word.lower()) is not None

    def _find(self, word: str) -> tuple[Any, Any] | None:
        synsets = self.wordnet.synsets(word)
        if not synsets:
            return None
        opposite = next((found[0] for lemma in synsets[0].lemmas() if (found := lemma.antonyms())), None)
        return None if opposite is None else (synsets[0], opposite.synset())

    def _compare(self, first: str, second: str) -> float:
        a, b = self._senses(first), self._senses(second)
        if a is None or b is None:
            return 0.0
        # None where no path joins two synsets.
        return ((a[0].path_similarity(b[1]) or 0.0) + (b[0].path_similarity(a[1]) or 0.0)) / 2
