"""Training arguments: those of Transformers with the paper's defaults, and those that CLFA adds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from transformers import TrainingArguments

from clfa.fields.check import check_fields
from clfa.fields.training import OptimizerFields, TrainingFields
from clfa.nearest import did_you_mean
from clfa.training.alpha_schedules import ALPHA_SCHEDULES


@dataclass
class CLFATrainingArguments(OptimizerFields, TrainingFields, TrainingArguments):
    """Arguments of :class:`clfa.training.CLFATrainer`.

    The defaults are those of the authors' scripts: learning rate 1e-5, linear warm-up over 5 % and linear decay, weight
    decay 0.01 (none on bias and LayerNorm), gradient norm 1.0, batch size 8, 30 epochs, seed 2022. The epoch with the
    best macro-F1 on the validation split is kept.

    With ``gradient_accumulation_steps``, the optimiser uses the mean of the micro-batches' losses. The negatives of a
    sample are the other samples of its micro-batch, over all processes. With alignment to the batch, two micro-batches
    of 8 are therefore not equivalent to one batch of 16; with alpha 0 they are. With ``negatives="bank"``, the
    negatives are the whole training set, independent of the batch.

    The arguments that CLFA adds are documented in :mod:`clfa.fields.training`.
    """

    warmup_steps: float = 0.05
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha_schedule not in ALPHA_SCHEDULES:
            raise ValueError(
                f"alpha_schedule is {self.alpha_schedule!r}; choose one of {', '.join(ALPHA_SCHEDULES.names())}."
                f"{did_you_mean(self.alpha_schedule, ALPHA_SCHEDULES.names())}"
            )
        # Transformers does not check the ranges of its own fields.
        check_fields(self, OptimizerFields)
        # With max_grad_norm 0, it does not clip.
        inherited = {field.name for field in fields(TrainingArguments)}
        check_fields(self, TrainingFields, tuple({field.name for field in fields(TrainingFields)} - inherited))
        if self.unlabelled_share and self.dataloader_drop_last:
            raise ValueError("unlabelled_share does not support dataloader_drop_last: few labels must all be used.")
        if self.ema_decay and not self.load_best_model_at_end:
            raise ValueError("ema_decay needs load_best_model_at_end: checkpoints contain the averaged weights.")
