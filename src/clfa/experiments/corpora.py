"""The corpus of the runs before, for runs on the same samples in one process."""

from __future__ import annotations

from collections import OrderedDict

from clfa.data import Corpus
from clfa.recipe import Recipe
from clfa.runs.corpus import corpus_key, load_corpus

# With and without images of the fold at hand: rows are innermost in the order of the runs.
_SIZE = 2


class Corpora:
    """The last corpora that were read and validated; they are only ever read from.

    Reading is seconds of a short run. The encoders are not kept: a training may change them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Corpus] = OrderedDict()

    def get(self, recipe: Recipe, *, strict: bool = False) -> Corpus:
        """What :func:`clfa.runs.corpus.load_corpus` gives for the recipe.

        Raises:
            CLFAError: As ``load_corpus``.
        """
        key = f"{strict} {corpus_key(recipe)}"
        if key not in self._kept:
            # Room first, so that never more than two are in memory.
            while len(self._kept) >= _SIZE:
                self._kept.popitem(last=False)
            self._kept[key] = load_corpus(recipe, strict=strict)
        self._kept.move_to_end(key)
        return self._kept[key]
