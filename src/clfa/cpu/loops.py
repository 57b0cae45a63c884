"""A context for loops over batches, which makes them faster on a CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from clfa.cpu.memory import reused_memory
from clfa.cpu.switch import enabled

if TYPE_CHECKING:
    from torch import nn


@contextmanager
def busy(model: nn.Module | None = None) -> Iterator[None]:
    """Keep memory and packed weights between the batches of a loop; see :mod:`clfa.cpu.memory` and ``packed``.

    Contexts may be nested and used by several threads. Nothing happens when the switch is off
    (:mod:`clfa.cpu.switch`).

    Args:
        model: A model after :func:`clfa.cpu.speed_up` that runs in this context without gradients, under bfloat16
            autocast. Its weights are also kept in bfloat16 and must not change. ``None`` for other work.

    Example:
        >>> with busy():
        ...     pass
    """
    with ExitStack() as stack:
        if enabled():
            stack.enter_context(reused_memory())
            if model is not None:
                # Imported here because PyTorch takes seconds to import and loops over tables do not need it.
                from clfa.cpu.packed import packed_weights

                stack.enter_context(packed_weights(model))
        yield
