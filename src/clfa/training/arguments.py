"""Training arguments: those of Transformers with the paper's defaults, and those that CLFA adds."""

from __future__ import annotations

from dataclasses import dataclass, field

from transformers import TrainingArguments

from clfa.training.alpha_schedules import ALPHA_SCHEDULES


@dataclass
class CLFATrainingArguments(TrainingArguments):
    """Arguments of :class:`clfa.training.CLFATrainer`.

    The defaults are those of the authors' scripts: learning rate 1e-5, linear warm-up over 5 % and linear decay, weight
    decay 0.01 (none on bias and LayerNorm), gradient norm 1.0, batch size 8, 30 epochs, seed 2022. The epoch with the
    best macro-F1 on the validation split is kept.

    With ``gradient_accumulation_steps``, the optimiser uses the mean of the micro-batches' losses. The negatives of a
    sample are the other samples of its micro-batch, over all processes. With alignment to the batch, two micro-batches
    of 8 are therefore not equivalent to one batch of 16; with alpha 0 they are. With ``negatives="bank"``, the
    negatives are the whole training set, independent of the batch.

    Args:
        encoder_learning_rate: Learning rate of the encoders, if it differs from ``learning_rate``.
        alpha_schedule: ``constant`` as in the paper, or ``linear_decay`` from ``alpha`` to 0 over the training.
        group_by_length: Put samples of similar text length into one batch, to reduce padding.
        early_stopping_patience: Number of evaluations without a better validation score before training stops; 0
            disables early stopping.
        ema_decay: Decay per step of an exponential moving average of the weights, which is evaluated and kept instead
            of the weights; 0 disables it (as in the paper).
    """

    learning_rate: float = 1e-5
    warmup_steps: float = 0.05
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    per_device_train_batch_size: int = 8
    per_device_eval_batch_size: int = 32
    num_train_epochs: float = 30.0
    seed: int = 2022
    eval_strategy: str = "epoch"
    save_strategy: str = "epoch"
    save_total_limit: int | None = 1
    load_best_model_at_end: bool = True
    metric_for_best_model: str | None = "macro_f1"
    greater_is_better: bool | None = True
    logging_strategy: str = "epoch"
    remove_unused_columns: bool = False
    encoder_learning_rate: float | None = field(default=None, metadata={"help": "Learning rate of the encoders."})
    alpha_schedule: str = field(default="constant", metadata={"help": "constant or linear_decay."})
    early_stopping_patience: int = field(default=0, metadata={"help": "Evaluations without progress; 0: off."})

    group_by_length: bool = field(default=False, metadata={"help": "Batches of texts of similar length."})
    ema_decay: float = field(default=0.0, metadata={"help": "Moving average of the weights; 0: none."})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha_schedule not in ALPHA_SCHEDULES:
            raise ValueError(
                f"alpha_schedule is {self.alpha_schedule!r}; choose one of {', '.join(ALPHA_SCHEDULES.names())}."
            )
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; it must be at least 0 and below 1.")
        if self.ema_decay and not self.load_best_model_at_end:
            raise ValueError("ema_decay needs load_best_model_at_end: checkpoints contain the averaged weights.")
