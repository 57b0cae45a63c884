"""The best checkpoint of a training whose folder was moved or copied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class BestBeside(TrainerCallback):
    """Takes the best checkpoint from the folder of this training, not from where a checkpoint says that it was.

    Checkpoints have its path of the time when they were written.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Change the path, if there is a checkpoint of this name in the folder."""
        if state.best_model_checkpoint is not None:
            here = Path(str(args.output_dir)) / Path(state.best_model_checkpoint).name
            if here.is_dir():
                state.best_model_checkpoint = str(here)
