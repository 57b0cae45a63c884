"""How a model can be trained, in recipes and in training arguments alike."""

# No `from __future__ import annotations` here: Transformers reads the types of its arguments.
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field


@dataclass(init=False, repr=False, eq=False)
class OptimizerFields:
    """Fields of the optimiser that ``TrainingRecipe`` and ``CLFATrainingArguments`` have in common.

    Args:
        learning_rate: Of everything but what ``encoder_learning_rate`` is for.
        encoder_learning_rate: Learning rate of the encoders where it differs from the rest.
        weight_decay: None on bias and LayerNorm.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    encoder_learning_rate: Annotated[float | None, Field(gt=0)] = field(
        default=None, metadata={"help": "Learning rate of the encoders."}
    )
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


@dataclass(init=False, repr=False, eq=False)
class TrainingFields:
    """Other fields that both have in common: a new training option is one line here.

    Args:
        max_grad_norm: Norm that gradients are clipped to.
        alpha_schedule: Name in :data:`clfa.training.alpha_schedules.ALPHA_SCHEDULES`: ``constant`` as in the paper, or
            ``linear_decay`` from ``alpha`` to 0 over the training.
        group_by_length: Put samples of like text length into one batch, so that less of it is padding.
        early_stopping_patience: Evaluations without a better validation score before training stops; 0 never stops.
        ema_decay: Decay per step of an exponential moving average of the weights, which is then what is evaluated and
            kept (none in the paper); 0 for none.
    """

    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    alpha_schedule: str = field(default="constant", metadata={"help": "constant or linear_decay."})
    group_by_length: bool = field(default=False, metadata={"help": "Batches of texts of like length."})
    early_stopping_patience: Annotated[int, Field(ge=0)] = field(
        default=0, metadata={"help": "Evaluations without progress; 0: never stop."}
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = field(
        default=0.0, metadata={"help": "Moving average of the weights; 0: none."}
    )
