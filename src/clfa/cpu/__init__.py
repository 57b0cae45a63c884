"""Speed on CPUs (docs/cpu.md).

:func:`speed_up` replaces parts of a loaded model by faster ones. :func:`busy` and :func:`clip_gradients` are for
training and prediction loops. Import these names from this package, not from its modules. ``CLFA_CPU_SPEEDUPS=0`` in
the environment turns everything off (:mod:`clfa.cpu.switch`). Names are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clfa.lazy import lazy_names

if TYPE_CHECKING:
    from clfa.cpu.bfloat16 import native_bfloat16
    from clfa.cpu.clipping import clip_gradients
    from clfa.cpu.levers import speed_up
    from clfa.cpu.loops import busy

# No module may have the name of a function here: importing the module would overwrite the function.
_HOMES = {
    "busy": "clfa.cpu.loops",
    "clip_gradients": "clfa.cpu.clipping",
    "native_bfloat16": "clfa.cpu.bfloat16",
    "speed_up": "clfa.cpu.levers",
}

__all__ = ["busy", "clip_gradients", "native_bfloat16", "speed_up"]


__getattr__ = lazy_names(__name__, _HOMES)
