"""The switch of this package: the environment variable ``CLFA_CPU_SPEEDUPS``."""

from __future__ import annotations

import os
from functools import cache

from clfa.errors import CLFAError

VARIABLE = "CLFA_CPU_SPEEDUPS"


@cache
def enabled() -> bool:
    """Return whether speed-ups are on: yes, unless the environment variable ``CLFA_CPU_SPEEDUPS`` is ``0``.

    The variable is read once per process. Results differ only by rounding and by the random numbers of dropout.

    Raises:
        CLFAError: When the variable is neither ``0`` nor ``1``.
    """
    value = os.environ.get(VARIABLE) or "1"
    if value not in ("0", "1"):
        raise CLFAError(f"{VARIABLE} is {value!r}; set it to 0 (plain PyTorch) or 1 (the default).")
    return value == "1"
