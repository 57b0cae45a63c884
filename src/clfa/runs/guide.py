"""Creation, check and description of the guide of a run."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.data import Corpus
from clfa.errors import DataError
from clfa.guides import GUIDES, Guide, GuideContext, RetrievalReport, retrieval_report
from clfa.guides.base import Pairs
from clfa.guides.where import Where
from clfa.modeling.alignment import ALIGNMENTS
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders

logger = logging.getLogger(__name__)


def make_guide(recipe: Recipe, corpus: Corpus, encoders: Encoders) -> Guide | None:
    """Return the guide of the recipe for this data; ``None`` for a run without guide.

    Args:
        recipe: The run's recipe.
        corpus: Its data; a guide is fitted on training and unlabelled pairs, never on validation or test.
        encoders: Encoders before training.

    Raises:
        RecipeError: When the guide's name or options are wrong.
        DataError: When a guide has to be fitted and there are not enough pairs.
    """
    if not recipe.guided or not ALIGNMENTS.get(recipe.model.alignment).needs_guide:
        return None
    guide_class: type[Guide] = GUIDES.get(recipe.guide.name)
    context = GuideContext(
        cache=encoders.cache,
        text_encoder=recipe.model.text_encoder,
        vision_encoder=recipe.model.vision_encoder,
        text_features=encoders.text,
        image_features=encoders.image,
        pairs=_fitting_pairs(recipe, corpus, encoders),
        seed=recipe.seed,
    )
    return guide_class.from_context(context, **recipe.guide.options)


def check_guide(recipe: Recipe, guide: Guide, corpus: Corpus, encoders: Encoders) -> RetrievalReport:
    """Measure the guide's own retrieval on the validation pairs, which it was not fitted on; warn when near chance.

    With ``guide.where``, only on the pairs that match: a text has no image to find where the label says that they do
    not belong together.

    Args:
        recipe: The run's recipe.
        guide: Result of :func:`make_guide`.
        corpus: The run's data.
        encoders: Encoders with content keys and cache.

    Raises:
        RecipeError: When ``guide.where`` does not fit the data.
        DataError: When no such validation sample has both text and image.
    """
    pairs = _matching_pairs(recipe, corpus, "validation", encoders).complete()
    if not len(pairs):
        where = "" if recipe.guide.where is None else f" with {recipe.guide.where}"
        raise DataError(f"{corpus.name}: no validation sample{where} has both text and image to check the guide on.")
    report = retrieval_report(*guide.embed_pairs(pairs, encoders.cache))
    if report.near_chance:
        logger.warning(
            "THE GUIDE IS NEAR CHANCE (%s). Aligning to it will do harm: use another guide, fit it on more pairs, "
            "or train with model.alpha=0.",
            report,
        )
    logger.info("guide %s: %s", guide.name, report)
    return report


def guide_metrics(guide: Guide, report: RetrievalReport) -> dict[str, Any]:
    """Return the ``guide`` entry of ``metrics.json``.

    Args:
        guide: The guide.
        report: Result of :func:`check_guide`.
    """
    return {
        "name": guide.name,
        "dim": guide.dim,
        "fingerprint": guide.fingerprint,
        "validation_retrieval": report.to_dict(),
    }


def split_pairs(split: Dataset, encoders: Encoders) -> Pairs:
    """Return a split as unlabelled pairs."""
    keys = encoders.keys(split)
    return Pairs(split["text"][:], split["image"][:], keys.text, keys.image)


def check_where(recipe: Recipe, corpus: Corpus) -> None:
    """Check ``guide.where`` against the targets of the data, before any work is done.

    Raises:
        RecipeError: When it is not a condition, or its target or a class does not exist.
    """
    if recipe.guided and recipe.guide.where is not None:
        Where.parse(recipe.guide.where).matches(corpus.splits["train"].select([]), corpus.targets)


def _matching_pairs(recipe: Recipe, corpus: Corpus, split: str, encoders: Encoders) -> Pairs:
    """Return the pairs of a split that match ``guide.where``; all without it."""
    pairs = split_pairs(corpus.splits[split], encoders)
    if recipe.guide.where is None:
        return pairs
    matching = Where.parse(recipe.guide.where).matches(corpus.splits[split], corpus.targets)
    return pairs.select(np.flatnonzero(matching))


def _fitting_pairs(recipe: Recipe, corpus: Corpus, encoders: Encoders) -> Pairs | None:
    """Return the training and unlabelled pairs, never validation or test pairs."""
    if encoders.text is None or encoders.image is None:
        return None
    pairs = _matching_pairs(recipe, corpus, "train", encoders)
    if recipe.guide.use_unlabelled and corpus.unlabelled is not None and len(corpus.unlabelled):
        pairs = pairs + split_pairs(corpus.unlabelled, encoders)
    return pairs.complete()
