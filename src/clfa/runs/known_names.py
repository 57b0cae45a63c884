"""Check of the names and encoders in a recipe within a second, before PyTorch and Transformers are imported."""

from __future__ import annotations

from collections.abc import Iterator

from clfa.data.readers import READERS
from clfa.guides import GUIDES
from clfa.knowledge import KNOWLEDGE_SOURCES, LEXICONS
from clfa.modeling.alignment import ALIGNMENTS
from clfa.modeling.baselines import BASELINES
from clfa.modeling.fusion import FUSIONS
from clfa.modeling.pooling import POOLINGS
from clfa.modeling.readout import READOUTS
from clfa.pretrained import PACKAGE_PREFIX, require_model
from clfa.recipe import Recipe
from clfa.registry import Registry
from clfa.training.alpha_schedules import ALPHA_SCHEDULES
from clfa.training.trackers import require_trackers


def check_known(recipe: Recipe) -> None:
    """Check that the names in a recipe are registered.

    Raises:
        RecipeError: When a reader, fusion, alignment, pooling, readout, schedule, baseline, guide, knowledge source,
            lexicon or tracker of that name does not exist; the message has the nearest one. When the package of a
            tracker is not installed.
    """
    require_trackers(recipe.training.report_to)
    for registry, name in _names(recipe):
        registry.require(name)


def check_encoders(recipe: Recipe) -> None:
    """Check that the encoders of a recipe exist, and the models of its guide and of its captions.

    Raises:
        ModelError: When there is no such model, neither here nor on the hub or in its cache.
    """
    models = [recipe.model.text_encoder, recipe.model.vision_encoder]
    if recipe.guide.name == "clip":
        models.append(recipe.guide.options.get("model"))
    if recipe.model.use_knowledge and "caption" in recipe.knowledge.sources:
        models.append(recipe.knowledge.caption_model)
    for name in models:
        # Packages are found where they are imported, which takes longer.
        if isinstance(name, str) and PACKAGE_PREFIX not in name:
            require_model(name)


def _names(recipe: Recipe) -> Iterator[tuple[Registry, str]]:
    model = recipe.model
    yield READERS, recipe.data.reader
    yield FUSIONS, model.fusion
    yield ALIGNMENTS, model.alignment
    yield POOLINGS, model.pooling
    yield READOUTS, model.readout
    yield ALPHA_SCHEDULES, recipe.training.alpha_schedule
    if model.baseline is not None:
        yield BASELINES, model.baseline
    if recipe.guide.name != "none":
        yield GUIDES, recipe.guide.name
    if model.use_knowledge:
        for name in recipe.knowledge.sources:
            yield KNOWLEDGE_SOURCES, name
        yield LEXICONS, recipe.knowledge.lexicon
