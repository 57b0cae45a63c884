"""The recipe of a training, for the trackers that it reports to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from clfa.training.trackers import TRACKERS


class RecipeReport(TrainerCallback):
    """Callback that reports a recipe once; add it after the Trainer has been made.

    Args:
        recipe: The recipe as YAML.
        trackers: Names in :data:`clfa.training.trackers.TRACKERS`.
        callbacks: The Trainer's callbacks.
    """

    def __init__(self, recipe: str, trackers: Sequence[str], callbacks: Sequence[TrainerCallback]) -> None:
        self.recipe, self.trackers, self._callbacks = recipe, trackers, callbacks

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Report the recipe, in the main process. The trackers' own callbacks have begun their runs before."""
        if state.is_world_process_zero:
            for name in self.trackers:
                TRACKERS.get(name).log_recipe(self.recipe, self._callbacks)
