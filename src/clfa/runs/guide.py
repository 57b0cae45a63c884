"""Creation, check and description of the guide of a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.data import Corpus
from clfa.errors import DataError, RecipeError
from clfa.guides import GUIDES, Guide, GuideContext, RetrievalReport, retrieval_report
from clfa.guides.base import Pairs
from clfa.guides.create import create_guide
from clfa.guides.fitted_on import count_fitted_on
from clfa.guides.pair_tables import PairTables
from clfa.modeling.alignment import ALIGNMENTS
from clfa.recipe import Recipe
from clfa.runs.encoders import Encoders
from clfa.store import single_keys
from clfa.tables.columns import Columns
from clfa.targets.where import Where

logger = logging.getLogger(__name__)


def make_guide(recipe: Recipe, corpus: Corpus, encoders: Encoders, others: PairTables | None = None) -> Guide | None:
    """Return the guide of the recipe for this data; ``None`` for a run without guide.

    Args:
        recipe: The run's recipe.
        corpus: Its data; a guide is fitted on training and unlabelled pairs, never on validation or test.
        encoders: Encoders before training.
        others: Result of :func:`other_pairs`, if the caller uses its list of rows left out.

    Raises:
        RecipeError: When the guide's name or options are wrong, or ``guide.pairs`` is given to one that is not fitted.
        DataError: When a guide has to be fitted and there are not enough pairs.
    """
    if not recipe.guided or not ALIGNMENTS.get(recipe.model.alignment).needs_guide:
        return None
    guide_class: type[Guide] = GUIDES.get(recipe.guide.name)
    others = others or other_pairs(recipe, corpus, encoders)
    if others is not None and not guide_class.is_fitted:
        raise RecipeError(f"guide.pairs are pairs to fit a guide on; the {recipe.guide.name} guide is not fitted.")
    context = GuideContext(
        cache=encoders.cache,
        text_encoder=recipe.model.text_encoder,
        vision_encoder=recipe.model.vision_encoder,
        text_features=encoders.text,
        image_features=encoders.image,
        pairs=_fitting_pairs(recipe, corpus, encoders),
        other_pairs=others,
        seed=recipe.seed,
    )
    guide = create_guide(recipe.guide.name, context, recipe.guide.options)
    if others is not None:
        logger.info("guide.pairs: %s", pairs_line(others))
    if isinstance(path := recipe.guide.options.get("path"), str):
        seen = count_fitted_on(Path(path), _held_out(corpus, encoders))
        if seen:
            logger.warning(
                "THE GUIDE IN %s WAS FITTED ON %s TEXTS OR IMAGES OF THE VALIDATION OR TEST SPLIT. Fit it again with "
                "`clfa guide fit --exclude` on a table of these splits.",
                path,
                f"{seen:,}",
            )
    return guide


def other_pairs(recipe: Recipe, corpus: Corpus, encoders: Encoders) -> PairTables | None:
    """Return the pairs of ``guide.pairs`` without texts and images of the validation and test split.

    Args:
        recipe: The run's recipe.
        corpus: Its data.
        encoders: Encoders before training.

    Returns:
        ``None`` if the recipe names no other pairs, or the run has no guide.
    """
    if not recipe.guide.pairs or not recipe.guided or encoders.image is None:
        return None
    named = {name: recipe.data.options[name] for name in ("text", "image") if recipe.data.options.get(name)}
    return PairTables(
        recipe.guide.pairs,
        columns=Columns(**named),
        held_out=_held_out(corpus, encoders),
        decodable=encoders.image.pooled,
        access=recipe.data.access,
    )


def guide_identity(recipe: Recipe, guide: Guide | None, others: PairTables | None) -> str | None:
    """Return what a resumed run compares of its guide, beside the data: of ``guide.pairs`` or ``guide.path``.

    Args:
        recipe: The run's recipe.
        guide: Result of :func:`make_guide`.
        others: Result of :func:`other_pairs`, after the guide was made.
    """
    if others is not None:
        return others.digest
    return guide.fingerprint if guide is not None and "path" in recipe.guide.options else None


def pairs_line(tables: PairTables) -> str:
    """Return one line about tables of pairs that were read: the number of pairs and of rows left out by reason."""
    left_out = ", ".join(f"{count:,} x {reason}" for reason, count in tables.dropped_counts().items())
    return f"{tables.count:,} pairs" + (f"; left out: {left_out}" if left_out else "")


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


def guide_metrics(guide: Guide, report: RetrievalReport, others: PairTables | None = None) -> dict[str, Any]:
    """Return the ``guide`` entry of ``metrics.json``.

    Args:
        guide: The guide.
        report: Result of :func:`check_guide`.
        others: Result of :func:`other_pairs`.
    """
    metrics = {
        "name": guide.name,
        "dim": guide.dim,
        "fingerprint": guide.fingerprint,
        "validation_retrieval": report.to_dict(),
    }
    if others is not None:
        metrics["other_pairs"] = {"pairs": others.count, "dropped": others.dropped_counts()}
    return metrics


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


def _held_out(corpus: Corpus, encoders: Encoders) -> set[bytes]:
    """Return the content keys of all texts and images of the validation and test split."""
    splits = [encoders.keys(corpus.splits[name]) for name in ("validation", "test") if name in corpus.splits]
    return {key for split in splits for keys in (*split.text, *split.image) for key in single_keys(keys)}


def _matching_pairs(recipe: Recipe, corpus: Corpus, split: str, encoders: Encoders) -> Pairs:
    """Return the pairs of a split that match ``guide.where``; all without it."""
    pairs = split_pairs(corpus.splits[split], encoders)
    if recipe.guide.where is None:
        return pairs
    matching = Where.parse(recipe.guide.where).matches(corpus.splits[split], corpus.targets)
    return pairs.select(np.flatnonzero(matching))


def _fitting_pairs(recipe: Recipe, corpus: Corpus, encoders: Encoders) -> Pairs | None:
    """Return the training and unlabelled pairs of the data, never validation or test pairs; ``None`` without them."""
    if encoders.text is None or encoders.image is None or not recipe.guide.own_pairs:
        return None
    pairs = _matching_pairs(recipe, corpus, "train", encoders)
    if recipe.guide.use_unlabelled and corpus.unlabelled is not None and len(corpus.unlabelled):
        pairs = pairs + split_pairs(corpus.unlabelled, encoders)
    return pairs.complete()
