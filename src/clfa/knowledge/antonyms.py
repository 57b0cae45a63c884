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
    """Similarity of each of two words to the other's antonym.

    Args:
        wordnet: NLTK's reader of a WordNet.
        fingerprint: Digest of that WordNet's files.
    """

    def __init__(self, wordnet: Any, fingerprint: str) -> None:
        self.wordnet = wordnet
        self.fingerprint = fingerprint
        # One cache per instance, so that readers of different WordNets do not share results.
        self._senses = lru_cache(maxsize=None)(self._find)
        self._pairs = lru_cache(maxsize=1_000_000)(self._compare)

    @classmethod
    def load(cls, path: str | None = None) -> Antonyms:
        """Load WordNet from a folder or from NLTK's data.

        Args:
            path: Folder with WordNet's ``data.noun``, ``index.noun``, ... (``dict`` of Princeton's archive, or
                ``corpora/wordnet`` of NLTK's data). When not given, NLTK searches its data folders.

        Raises:
            RecipeError: When NLTK is not installed.
            DataError: When WordNet is not found or cannot be read.
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
                # Only needed for other languages, and it requires a second WordNet.
                return {}

        digest = hashlib.blake2b(digest_size=16)
        try:
            for name in _FILES:
                digest.update((root / name).read_bytes())
            if path is not None and str(root) not in allowed:
                # NLTK only reads files below the folders in this list.
                allowed.append(str(root))
            with warnings.catch_warnings():
                # The warnings are about languages other than English.
                warnings.simplefilter("ignore")
                return cls(English(str(root), None), digest.hexdigest())
        except (OSError, LookupError, ValueError) as error:
            raise DataError(
                f"{root} holds no WordNet that NLTK can read ({str(error).strip()}); give a folder with the unpacked "
                "files of WordNet's dict folder."
            ) from error

    def __call__(self, first: str, second: str) -> float:
        """Return the mean of two path similarities: of each word's first synset to the antonym of the other word.

        A word's antonym is the first antonym of the first lemma that has one, in the word's first synset over all parts
        of speech, as in the authors' code.

        Args:
            first: A word, in any case or inflection.
            second: Another word.

        Returns:
            From 0 to 1; 1 means that each word is the other's antonym, 0 that one of them has no antonym.
        """
        a, b = sorted((first.lower(), second.lower()))
        return self._pairs(a, b)

    def has_antonym(self, word: str) -> bool:
        """Return whether a word's first synset has an antonym; without one the similarity to every word is 0."""
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
        # path_similarity gives None if no path connects the synsets.
        return ((a[0].path_similarity(b[1]) or 0.0) + (b[0].path_similarity(a[1]) or 0.0)) / 2
