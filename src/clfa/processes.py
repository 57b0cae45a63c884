"""The processes of one training, as ``torchrun`` or ``accelerate launch`` started them."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState

# What one process does while the others wait, caching features of a large data set above all, may take this long.
PATIENCE = timedelta(hours=24)


def process_number() -> int:
    """Number of this process among those launched together, from 0, before they have met."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return int(os.environ.get("RANK", "0")) if several else 0


def join(use_cpu: bool) -> PartialState:
    """Meet the other processes of this run; alone when nobody launched any.

    Args:
        use_cpu: Whether to talk over gloo instead of the accelerators' backend.

    Returns:
        Accelerate's view of them: ``num_processes``, ``is_main_process``, ``main_process_first()``,
        ``wait_for_everyone()``.
    """
    from accelerate import PartialState
    from torch import distributed

    # Accelerate leaves a process group that exists already as it is, and takes no timeout then.
    state: PartialState = PartialState(cpu=use_cpu, **({} if distributed.is_initialized() else {"timeout": PATIENCE}))
    return state


def leave() -> None:
    """Say goodbye to the other processes; nothing for a process alone."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
