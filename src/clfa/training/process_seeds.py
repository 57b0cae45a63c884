"""Random numbers of their own for every process of a training."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class ProcessSeeds(TrainerCallback):
    """Dropout that differs between processes.

    All start from one seed, so that they begin with the same weights; with the same random numbers afterwards, they
    would drop the same positions of their different samples.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Seed anew. Which samples come when is settled by then, with the common seed."""
        torch.manual_seed(args.seed + args.process_index)
