"""Computation of a corpus's knowledge column by the sources of a recipe."""

from __future__ import annotations

from dataclasses import replace

from datasets import Dataset, DatasetDict

from clfa.data.replace_column import replace_column
from clfa.data.schema import Corpus
from clfa.errors import DataError
from clfa.knowledge.texts import KnowledgeTexts


def fill_knowledge(corpus: Corpus, texts: KnowledgeTexts, *, unlabelled: bool = False) -> Corpus:
    """Return the corpus with a knowledge column from the sources.

    Args:
        corpus: A corpus with the knowledge texts of its reader.
        texts: The sources.
        unlabelled: Whether the unlabelled pairs get the column as well; a guide does not read it.

    Raises:
        DataError: When a source reads images and the corpus has none.
    """
    if [source.name for source in texts.sources] == ["column"]:
        return corpus
    if texts.reads_images and not corpus.has_images:
        names = ", ".join(source.name for source in texts.sources if source.reads == "image")
        raise DataError(
            f"{corpus.name} has no images, but the knowledge source {names} reads images; "
            "leave it out of knowledge.sources, or give data with images."
        )
    splits = {name: _filled(split, texts) for name, split in corpus.splits.items()}
    pairs = corpus.unlabelled
    if unlabelled and pairs is not None:
        pairs = _filled(pairs, texts)
    texts.warn()
    return replace(corpus, splits=DatasetDict(splits), unlabelled=pairs)


def _filled(split: Dataset, texts: KnowledgeTexts) -> Dataset:
    # Columns instead of lists, so that encoded images are read one at a time.
    found = texts({source.reads: split[source.reads] for source in texts.sources})
    return replace_column(split, "knowledge", found)
