"""Training settings shared by recipes and training arguments."""

# No `from __future__ import annotations` here: Transformers reads the types of training arguments.
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field


@dataclass(init=False, repr=False, eq=False)
class OptimizerFields:
    """Optimiser fields shared by ``TrainingRecipe`` and ``CLFATrainingArguments``.

    Args:
        learning_rate: Learning rate of all parameters, or of those outside the encoders if ``encoder_learning_rate``
            is given.
        encoder_learning_rate: Learning rate of the encoders; ``learning_rate`` by default.
        weight_decay: Weight decay; not applied to bias and LayerNorm parameters.
    """

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-5
    encoder_learning_rate: Annotated[float | None, Field(gt=0, le=10)] = field(
        default=None, metadata={"help": "Learning rate of the encoders."}
    )
    weight_decay: Annotated[float, Field(ge=0, le=100)] = 0.01


@dataclass(init=False, repr=False, eq=False)
class TrainingFields:
    """Other fields shared by ``TrainingRecipe`` and ``CLFATrainingArguments``. Add a new training option here.

    Args:
        max_grad_norm: Maximum gradient norm, for clipping.
        alpha_schedule: Name in :data:`clfa.training.alpha_schedules.ALPHA_SCHEDULES`: ``constant`` (as in the paper) or
            ``linear_decay`` (from ``alpha`` to 0 during training).
        group_by_length: Whether to batch samples of similar text length, which reduces padding.
        early_stopping_patience: Number of evaluations without a better validation score after which training stops; 0
            disables early stopping.
        ema_decay: Decay per step of the exponential moving average of the weights, which is evaluated and saved in
            their place; 0 (as in the paper) disables it.
        unlabelled_share: Share of samples without a label in each training batch. They are added to its labelled
            samples (0.5: as many; 0.75: three times as many; 0: none) and take part in the alignment loss only.
    """

    max_grad_norm: Annotated[float, Field(gt=0, le=1e9)] = 1.0
    alpha_schedule: str = field(default="constant", metadata={"help": "constant or linear_decay."})
    group_by_length: bool = field(default=False, metadata={"help": "Batches of texts of like length."})
    early_stopping_patience: Annotated[int, Field(ge=0, le=1_000_000)] = field(
        default=0, metadata={"help": "Evaluations without progress; 0: never stop."}
    )
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = field(
        default=0.0, metadata={"help": "Moving average of the weights; 0: none."}
    )
    unlabelled_share: Annotated[float, Field(ge=0, lt=1)] = field(
        default=0.0, metadata={"help": "Share of each batch without labels; 0: none."}
    )
