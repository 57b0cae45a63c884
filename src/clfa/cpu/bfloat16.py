"""Detection of native bfloat16 support in the CPU."""

from __future__ import annotations

import platform

import torch


def native_bfloat16() -> bool:
    """Return whether this machine's CPU has instructions for matrix products in bfloat16.

    oneDNN reports bfloat16 support on every x86 processor with AVX-512. Without native instructions it converts to
    float32 and back, which is not faster. On other architectures oneDNN's report is used.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
