"""Choice of device and precision, the same for training, preparation, guides and prediction."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import Literal

logger = logging.getLogger(__name__)

Device = Literal["cuda", "mps", "cpu"]
Precision = Literal["fp32", "bf16", "fp16"]

# Help text of the command line; resolve_precision implements the rule.
AUTO_PRECISION = (
    "auto: bf16 on a GPU that computes in it, and in training of encoders also on such a CPU; otherwise fp32."
)


def best_device() -> Device:
    """Return ``cuda`` if there is such a GPU, else ``mps`` (Apple) if available, else ``cpu``."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def thread_count() -> int:
    """Return the number of threads for matrix products: PyTorch's if it is in use, so that one setting limits both.

    Otherwise ``OMP_NUM_THREADS``, or the processors that this process may use.
    """
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def resolve_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], *, trains_encoder: bool = False) -> Precision:
    """Return the precision of matrix products on :func:`best_device`; weights stay in float32.

    ``auto`` means ``bf16`` on CUDA GPUs with bfloat16 units, and on CPUs with bfloat16 instructions if an encoder is
    trained; otherwise ``fp32``. On a CPU, the matrices of the head alone are too small for a gain, and prediction is
    limited by memory bandwidth. ``fp16`` must be chosen explicitly.

    Args:
        wanted: Value from the recipe or the command line.
        trains_encoder: Whether an encoder is trained; false in prediction.
    """
    from clfa.cpu import native_bfloat16

    device = best_device()
    if wanted != "auto":
        if wanted == "bf16" and device == "cpu" and not native_bfloat16():
            _warn_of_emulation()
        return wanted
    if device == "cuda":
        import torch

        # Older GPUs emulate bfloat16, which is slower than float32.
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device == "cpu" and trains_encoder and native_bfloat16() else "fp32"


@cache
def _warn_of_emulation() -> None:
    logger.warning(
        "bf16 is emulated here, much slower than fp32: this processor has no instructions for it. Use auto or fp32."
    )
