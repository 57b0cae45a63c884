"""Progress of a training: a progress bar on a terminal, and one log line per evaluation."""

from __future__ import annotations

import logging
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_callback import ProgressCallback

logger = logging.getLogger(__name__)


class QuietProgress(ProgressCallback):
    """The Trainer's progress bar without printed dictionaries."""

    def on_log(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing; :class:`EvaluationLines` logs the metrics."""


class EvaluationLines(TrainerCallback):
    """Callback that logs one line per evaluation: epoch, training loss, validation scores."""

    def __init__(self) -> None:
        self.loss = float("nan")

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Store the training loss for the next line."""
        self.loss = (logs or {}).get("loss", self.loss)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Log the line in the main process."""
        if not state.is_world_process_zero:
            return
        scores = metrics or {}
        if "eval_score" in scores:
            text, figures = "validation score %.1f %%", [scores["eval_score"]]
        else:
            text = "validation accuracy %.1f %%, macro-F1 %.1f %%"
            figures = [scores.get(f"eval_{name}", float("nan")) for name in ("accuracy", "macro_f1")]
        logger.info(
            f"epoch %g of %g: loss %.3f; {text}",
            state.epoch or 0,
            args.num_train_epochs,
            self.loss,
            *(100 * figure for figure in figures),
        )
