"""Warnings about the data of a run: those about the corpus, about its texts, and about what the recipe does with it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clfa.data import Corpus
from clfa.data.concerns import data_concerns
from clfa.data.groups import normalised_text
from clfa.processing.text_concerns import text_concerns
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders
from clfa.targets.target import label_matrix, label_slices

if TYPE_CHECKING:
    from datasets import Dataset

# With fewer positives of a class in validation, its threshold is chosen by chance.
MIN_POSITIVES = 10


def run_concerns(recipe: Recipe, corpus: Corpus, encoders: Encoders) -> list[str]:
    """Return the warnings about the data of a run.

    Args:
        recipe: Its recipe.
        corpus: Its data.
        encoders: Its encoders, whose content keys show equal images.
    """

    def texts(split: Dataset) -> list[Hashable]:
        return [normalised_text(text) for text in split["text"][:]] if encoders.text is not None else []

    def images(split: Dataset) -> Sequence[Hashable]:
        return encoders.keys(split).image

    shared = {"text": _shared(corpus, texts), "image": _shared(corpus, images)}
    found = data_concerns(corpus, shared)
    found += text_concerns(encoders.processor, corpus.splits["train"]["text"][:])
    return [*found, *_thresholds(corpus)] if recipe.training.tune_thresholds else found


def _shared(corpus: Corpus, contents: Callable[[Dataset], Sequence[Hashable]]) -> dict[str, int]:
    """Return the number of validation and of test samples whose content is in the training split, too."""
    known = set(contents(corpus.splits["train"])) - {"", b""}
    others = [name for name in ("validation", "test") if name in corpus.splits and len(corpus.splits[name])]
    return {name: sum(content in known for content in contents(corpus.splits[name])) for name in others}


def _thresholds(corpus: Corpus) -> Iterator[str]:
    matrix = label_matrix(corpus.splits["validation"])
    for target, own in label_slices(corpus.targets):
        if target.kind.has_thresholds:
            values = matrix[:, own]
            counts = target.kind.counts(values[~np.isnan(values).any(axis=1)])
            few = [f"{name!r} ({count})" for name, count in counts.items() if count < MIN_POSITIVES]
            if few:
                yield (
                    f"training.tune_thresholds chooses the thresholds of {len(few)} of {len(counts)} classes"
                    f"{target.of_target} on fewer than {MIN_POSITIVES} validation posts each: {', '.join(few[:5])}. "
                    "They are chosen by chance; the usual threshold of 0.5 is safer."
                )
