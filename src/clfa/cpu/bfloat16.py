"""Whether a processor multiplies in bfloat16, or only pretends to."""

from __future__ import annotations

import platform

import torch


def native_bfloat16() -> bool:
    """Whether this machine's CPU has instructions for products in bfloat16.

    oneDNN also says that it supports bfloat16 on every x86 processor with AVX-512, where it converts to float32 and
    back and gains nothing. Other processors are believed.
    """
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    if platform.machine().lower() not in ("x86_64", "amd64", "i686"):
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
