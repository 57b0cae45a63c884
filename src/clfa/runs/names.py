"""Check of the registry names in a recipe."""

from __future__ import annotations

from clfa.data import READERS
from clfa.errors import RecipeError
from clfa.guides import GUIDES
from clfa.knowledge import KNOWLEDGE_SOURCES, LEXICONS
from clfa.modeling.baselines import BASELINES
from clfa.modeling.fusion import FUSIONS
from clfa.modeling.pooling import POOLINGS
from clfa.modeling.readout import READOUTS
from clfa.modeling.readout.build import check_readout
from clfa.recipe import Recipe
from clfa.runs.known_names import check_known
from clfa.runs.student_rows import check_alignment
from clfa.targets import METRICS
from clfa.training.alpha_schedules import ALPHA_SCHEDULES


def check_names(recipe: Recipe) -> None:
    """Check that all names in the recipe are registered and can be imported, before any work is done.

    Raises:
        RecipeError: When a reader, fusion, alignment, pooling, readout, schedule, baseline, guide,
            knowledge source or lexicon of that name does not exist, ``training.alignment_where`` has no effect, or
            ``training.blend_agreement`` nothing to read.
        ModelError: When the readout compares text and image, and the model has no two students.
    """
    check_known(recipe)
    READERS.get(recipe.data.reader)
    FUSIONS.get(recipe.model.fusion)
    check_alignment(recipe)
    POOLINGS.get(recipe.model.pooling)
    both = recipe.model.text_encoder is not None and recipe.model.vision_encoder is not None
    check_readout(recipe.model.readout, recipe.model.baseline, both)
    if recipe.training.blend_agreement and not READOUTS.get(recipe.model.readout).compares:
        raise RecipeError(
            f"training.blend_agreement needs a readout that compares text and image; {recipe.model.readout!r} does "
            "not. Set model.readout=relation, or training.blend_agreement=false."
        )
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
