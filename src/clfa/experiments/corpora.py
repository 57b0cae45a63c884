"""A cache of corpora for the runs of one process."""

from __future__ import annotations

from collections import OrderedDict

from clfa.data import Corpus
from clfa.recipe import Recipe
from clfa.runs.corpus import corpus_key, load_corpus

# The current fold with and without images: rows are the innermost loop of the plan.
_SIZE = 2


class Corpora:
    """The corpora that were read and validated last; runs do not change them.

    Reading takes seconds of a short run. Encoders are not kept, because a training may change them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Corpus] = OrderedDict()

    def get(self, recipe: Recipe, *, strict: bool = False) -> Corpus:
        """Return the result of :func:`clfa.runs.corpus.load_corpus` for the recipe.

        Raises:
            CLFAError: See ``load_corpus``.
        """
        key = f"{strict} {corpus_key(recipe)}"
        if key not in self._kept:
            # Remove first, so that there are never more than two in memory.
            while len(self._kept) >= _SIZE:
                self._kept.popitem(last=False)
            self._kept[key] = load_corpus(recipe, strict=strict)
        self._kept.move_to_end(key)
        return self._kept[key]
