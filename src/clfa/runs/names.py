"""Check of the registry names in a recipe."""

from __future__ import annotations

from clfa.data import READERS
from clfa.errors import RecipeError
from clfa.guides import GUIDES
from clfa.knowledge import KNOWLEDGE_SOURCES, LEXICONS
from clfa.modeling.alignment import ALIGNMENTS
from clfa.modeling.baselines import BASELINES
from clfa.modeling.fusion import FUSIONS
from clfa.modeling.pooling import POOLINGS
from clfa.modeling.readout import READOUTS
from clfa.recipe import Recipe
from clfa.targets import METRICS
from clfa.training.alpha_schedules import ALPHA_SCHEDULES


def check_names(recipe: Recipe) -> None:
    """Check that all names in the recipe are registered, before any work is done.

    Raises:
        RecipeError: When a reader, fusion, alignment, pooling, readout, schedule, baseline, guide,
            knowledge source or lexicon of that name does not exist, or the model has no aligned text and image for its
            readout.
    """
    READERS.get(recipe.data.reader)
    FUSIONS.get(recipe.model.fusion)
    ALIGNMENTS.get(recipe.model.alignment)
    POOLINGS.get(recipe.model.pooling)
    if READOUTS.get(recipe.model.readout).reads_relation:
        _check_relation(recipe)
    ALPHA_SCHEDULES.get(recipe.training.alpha_schedule)
    if recipe.model.baseline is not None:
        BASELINES.get(recipe.model.baseline)
    if recipe.guide.name != "none":
        GUIDES.get(recipe.guide.name)
    if recipe.model.use_knowledge:
        for name in recipe.knowledge.sources:
            KNOWLEDGE_SOURCES.get(name)
        LEXICONS.get(recipe.knowledge.lexicon)
    # Import metrics of other packages now. An import error must not occur after the training.
    for name in METRICS.names():
        METRICS.get(name)


def _check_relation(recipe: Recipe) -> None:
    model = recipe.model
    if model.baseline is not None:
        raise RecipeError(
            f"model.readout={model.readout} reads the aligned text and image, which baseline {model.baseline!r} does "
            "not have; set model.readout=pooled."
        )
    if model.text_encoder is None or model.vision_encoder is None:
        raise RecipeError(
            f"model.readout={model.readout} reads how text and image agree, and the model reads one of them; set "
            "model.readout=pooled."
        )
