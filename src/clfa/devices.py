"""Where models run, and in which precision: one choice for training, preparation, guides and prediction."""

from __future__ import annotations

from typing import Literal

Device = Literal["cuda", "mps", "cpu"]
Precision = Literal["fp32", "bf16", "fp16"]

# For the command line's help; the rule itself is that of resolve_precision.
AUTO_PRECISION = (
    "auto: bf16 on a GPU that computes in it, and in training of encoders also on such a CPU; otherwise fp32."
)


def best_device() -> Device:
    """``cuda`` where there is such a GPU, else ``mps`` (Apple), else ``cpu``."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def resolve_precision(wanted: Literal["auto", "fp32", "bf16", "fp16"], *, trains_encoder: bool = False) -> Precision:
    """The precision of matrix products on :func:`best_device`; weights stay in float32.

    ``auto`` is ``bf16`` where the hardware computes in it and that is worth while, and ``fp32`` otherwise: on CUDA GPUs
    with bfloat16 units always; on CPUs with bfloat16 instructions where an encoder is trained, since the matrices of
    the head alone are too small and prediction is short of memory bandwidth, not of products. ``fp16`` is used only
    when asked for.

    Args:
        wanted: As in the recipe or on the command line.
        trains_encoder: Whether any encoder takes gradients; never in prediction.
    """
    from clfa.cpu import native_bfloat16

    if wanted != "auto":
        return wanted
    device = best_device()
    if device == "cuda":
        import torch

        # Older GPUs emulate bfloat16, slower than they compute in float32.
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if device == "cpu" and trains_encoder and native_bfloat16() else "fp32"
