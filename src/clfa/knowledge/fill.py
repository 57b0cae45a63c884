"""Computation of a corpus's knowledge column by the sources of a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from datasets import (
    Dataset,
    DatasetDict,
    Features,
    are_progress_bars_disabled,
    concatenate_datasets,
    disable_progress_bars,
    enable_progress_bars,
)

from clfa.data.schema import Corpus
from clfa.errors import DataError
from clfa.knowledge.texts import KnowledgeTexts


def fill_knowledge(corpus: Corpus, texts: KnowledgeTexts) -> Corpus:
    """Return the corpus with a knowledge column from the sources. Unlabelled pairs do not change.

    Args:
        corpus: A corpus with the knowledge texts of its reader.
        texts: The sources.

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
    texts.warn()
    return replace(corpus, splits=DatasetDict(splits))


def _filled(split: Dataset, texts: KnowledgeTexts) -> Dataset:
    # Columns instead of lists, so that encoded images are read one at a time.
    found = texts({source.reads: split[source.reads] for source in texts.sources})
    features = Features({"knowledge": split.features["knowledge"]})
    column = Dataset.from_dict({"knowledge": found}, features=features)
    with _without_bars():
        joined = concatenate_datasets([split.remove_columns("knowledge"), column], axis=1)
    return joined.select_columns(list(split.features))


@contextmanager
def _without_bars() -> Iterator[None]:
    """Disable the progress bars of Datasets."""
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()
