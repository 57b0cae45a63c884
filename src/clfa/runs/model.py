"""The untrained model of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clfa.guides import Guide
from clfa.modeling import CLFAForClassification
from clfa.recipe import ModelRecipe
from clfa.runs.encoders import Encoders
from clfa.targets.fields import LABEL, SINGLE_LABEL
from clfa.targets.target import Target

# Fields of the recipe's model section that are not fields of CLFAConfig.
_NOT_CONFIG = {"text_encoder", "vision_encoder", "max_length", "knowledge_max_length"}


def build_model(
    recipe: ModelRecipe, encoders: Encoders, targets: Sequence[Target], guide: Guide | None
) -> CLFAForClassification:
    """A model with the given encoders and a fresh head.

    Args:
        recipe: The recipe's model section.
        encoders: As they are before training.
        targets: What to predict; one single-label target named ``label`` is the default task.
        guide: Sets the width that students are compared at.
    """
    first = targets[0]
    task: dict[str, Any] = {"targets": [target.to_dict() for target in targets]}
    if len(targets) == 1 and (first.name, first.problem_type) == (LABEL, SINGLE_LABEL):
        weights = None if first.class_weights is None else list(first.class_weights)
        task = {"label_names": first.label_names, "class_weights": weights}
    model: CLFAForClassification = CLFAForClassification.from_encoders(
        encoders.text_encoder,
        encoders.vision_encoder,
        **task,
        guide_dim=None if guide is None else guide.dim,
        **recipe.model_dump(exclude=_NOT_CONFIG),
    )
    return model
