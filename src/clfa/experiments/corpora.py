"""A cache of corpora for the runs of one process."""

from __future__ import annotations

import logging
from collections import OrderedDict

from clfa.data import Corpus
from clfa.errors import CLFAError
from clfa.recipe import Recipe
from clfa.runs.corpus import corpus_key, load_corpus
from clfa.runs.data_record import DataRecord, PictureKeys

logger = logging.getLogger(__name__)

# The current fold with and without images: rows are the innermost loop of the plan.
_SIZE = 2


class Corpora:
    """The corpora that were read and validated last; runs do not change them.

    Reading takes seconds of a short run. Encoders are not kept, because a training may change them.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Corpus] = OrderedDict()
        self._records: dict[str, DataRecord | None] = {}

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

    def record(self, recipe: Recipe, *, strict: bool = False) -> DataRecord | None:
        """Return the record of the recipe's data as it is now; it is made once for recipes with the same data.

        Returns:
            ``None``, with a warning, if the data cannot be read: a table can be written again without its data.
        """
        key = f"{strict} {recipe.guided and recipe.guide.use_unlabelled} {corpus_key(recipe)}"
        if key not in self._records:
            try:
                corpus = self.get(recipe, strict=strict)
                self._records[key] = DataRecord.of(recipe, corpus, PictureKeys(recipe))
            except CLFAError as error:
                logger.warning("It cannot be checked whether the data of finished runs has changed: %s", error)
                self._records[key] = None
        return self._records[key]
