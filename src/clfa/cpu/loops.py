"""What makes many batches in a row faster on a CPU."""

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
    """Within, memory and weights are held ready for the next batch; see :mod:`clfa.cpu.memory` and ``packed``.

    May be nested, also by several threads. Nothing happens when the switch is off (:mod:`clfa.cpu.switch`).

    Args:
        model: A model that was sped up and that runs without gradients under bfloat16 autocast within: its weights are
            held in bfloat16, and must not change. ``None`` for any other work.

    Example:
        >>> with busy():
        ...     pass
    """
    with ExitStack() as stack:
        if enabled():
            stack.enter_context(reused_memory())
            if model is not None:
                # Here, as PyTorch takes seconds to import and loops over tables do without.
                from clfa.cpu.packed import packed_weights

                stack.enter_context(packed_weights(model))
        yield
