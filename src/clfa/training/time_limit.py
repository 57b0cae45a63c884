"""End of a training at a whole epoch, before its time is over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

logger = logging.getLogger(__name__)


class TimeLimit(TrainerCallback):
    """Callback that ends a training after the last epoch that ends in time, at the earliest after the first.

    The next epoch is expected to take as long as the earlier ones did on average, with their evaluations.

    Args:
        seconds: Seconds from ``started``; the shares of what came before the training count.
        started: When they begin, of ``clock``.
        clock: Function that returns the time in seconds.
    """

    def __init__(self, seconds: float, started: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = seconds
        self.started = started
        self.clock = clock
        self.epochs_left_out = 0.0
        self._begun = 0.0
        self._epoch = 0.0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Note the time and, of a resumed training, the epoch."""
        self._begun, self._epoch = self.clock(), state.epoch or 0.0

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Stop if another epoch would end after the limit; the main process decides for all."""
        now, epoch = self.clock(), state.epoch or 0.0
        left = args.num_train_epochs - epoch
        each = (now - self._begun) / max(epoch - self._epoch, 1e-9)
        stop = left > 1e-6 and now + min(left, 1.0) * each > self.started + self.seconds
        if args.world_size > 1:
            decision = [stop]
            broadcast_object_list(decision)
            (stop,) = decision
        if not stop:
            return
        control.should_training_stop = True
        self.epochs_left_out = left
        if state.is_world_process_zero:
            logger.warning(
                "The time limit of %g s ends the training after %g of %g epochs: %g are left out, and the learning "
                "rate is that of the longer training.",
                self.seconds,
                epoch,
                args.num_train_epochs,
                left,
            )
