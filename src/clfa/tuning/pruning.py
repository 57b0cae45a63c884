"""Early end of trials whose validation score is below the median of the others."""

from __future__ import annotations

from typing import Any

import optuna
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class Pruning(TrainerCallback):
    """Callback that reports the validation score of each epoch to a trial, and ends it where Optuna says so.

    Args:
        trial: The trial.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self.trial = trial

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        """Report the score.

        Raises:
            TrialPruned: If the trial is to end.
        """
        score = (metrics or {}).get(f"eval_{args.metric_for_best_model}")
        if score is None or not state.is_world_process_zero:
            return
        epoch = state.epoch or 0.0
        self.trial.report(score, round(epoch))
        if self.trial.should_prune():
            raise optuna.TrialPruned(f"after epoch {epoch:g}, at {score:.4f}")
