"""The untrained model of a run."""

from __future__ import annotations

from collections.abc import Sequence

from clfa.cpu import speed_up
from clfa.guides import Guide
from clfa.modeling import CLFAForClassification
from clfa.recipe import ModelRecipe
from clfa.runs.encoders import Encoders
from clfa.targets.target import Target

# Fields of the recipe's model section that are not fields of CLFAConfig.
_NOT_CONFIG = {"text_encoder", "vision_encoder", "max_length", "knowledge_max_length"}


def build_model(
    recipe: ModelRecipe, encoders: Encoders, targets: Sequence[Target], guide: Guide | None
) -> CLFAForClassification:
    """Return a model with the given encoders and a new head, sped up for CPUs (:func:`clfa.cpu.speed_up`).

    Args:
        recipe: The recipe's model section.
        encoders: Encoders before training.
        targets: What to predict.
        guide: Guide whose width sets the width of the comparison.
    """
    model: CLFAForClassification = CLFAForClassification.from_encoders(
        encoders.text_encoder,
        encoders.vision_encoder,
        targets=[target.to_dict() for target in targets],
        guide_dim=None if guide is None else guide.dim,
        **recipe.model_dump(exclude=_NOT_CONFIG),
    )
    # The encoders are included, because they were loaded for this run.
    return speed_up(model)
