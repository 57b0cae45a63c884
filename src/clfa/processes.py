"""Distributed processes of one training, started by ``torchrun`` or ``accelerate launch``."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState

# Maximum time that processes wait for one process, for instance while it caches features of a large data set.
PATIENCE = timedelta(hours=24)


def process_number() -> int:
    """Return the number of this process, from 0; also before :func:`join`."""
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return int(os.environ.get("RANK", "0")) if several else 0


def join(use_cpu: bool) -> PartialState:
    """Initialise communication with the other processes of this run; without a launcher there are none.

    Args:
        use_cpu: Whether to use gloo instead of the accelerators' backend.

    Returns:
        Accelerate's state: ``num_processes``, ``is_main_process``, ``main_process_first()``, ``wait_for_everyone()``.
    """
    from accelerate import PartialState
    from torch import distributed

    # Accelerate does not change an existing process group, and then accepts no timeout.
    return PartialState(cpu=use_cpu, **({} if distributed.is_initialized() else {"timeout": PATIENCE}))


def leave() -> None:
    """End the communication with the other processes, if there are any."""
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()
