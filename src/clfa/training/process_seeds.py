"""Different random seeds for the processes of a training."""

from __future__ import annotations

from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments


class ProcessSeeds(TrainerCallback):
    """Callback that gives each process its own seed, so that dropout differs between processes.

    All processes start with one seed, for equal initial weights. Without a new seed, dropout would use equal masks for
    the different samples of the processes.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Set the seed of this process. The order of the samples was already drawn with the common seed."""
        torch.manual_seed(args.seed + args.process_index)
