"""The machine: what it is, how fast it multiplies matrices, how fast it moves bytes."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from clfa.cpu import native_bfloat16
from clfa.cpu.linear import Linear
from clfa.runs.resources import versions

# (rows, inner, columns): eight texts of 25 tokens through the encoder's products, all 77 tokens of them, and large.
SHAPES = ((200, 768, 768), (200, 768, 3072), (616, 768, 3072), (616, 3072, 768), (2048, 2048, 2048))


def describe() -> dict[str, Any]:
    """Processor, memory, device and versions."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": gpu,
        "threads": torch.get_num_threads(),
        "cpu_capability": _capability(),
        "system": f"{platform.system()} {platform.machine()}",
        **versions(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _capability() -> str:
    """The widest instructions that PyTorch uses, and AMX, which decides on bfloat16."""
    widest: str = torch.backends.cpu.get_cpu_capability()
    return f"{widest}, AMX" if torch.cpu._is_amx_tile_supported() else widest


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def fast_precisions() -> tuple[str, ...]:
    """``fp32``, and ``bf16`` where processor or GPU have instructions for it; emulated, it takes many times as long."""
    native = torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else native_bfloat16()
    return ("fp32", "bf16") if native else ("fp32",)


def rate(precision: str, device: str = "cpu", shapes: tuple[tuple[int, int, int], ...] = SHAPES) -> dict[str, float]:
    """Matrix rate in operations per second, by shape ``rows x inner x columns``; floors use the largest.

    Args:
        precision: ``fp32`` or ``bf16``.
        device: Where.
        shapes: Of the products.
    """
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    rates = {}
    for rows, inner, columns in shapes:
        left = torch.randn(rows, inner, device=device).to(dtype)
        # As a linear layer has it: weights (out, in), transposed.
        right = torch.nn.Parameter(torch.randn(columns, inner, device=device).to(dtype))
        ours = Linear(inner, columns, bias=False, device="meta")
        ours.weight = right
        # The faster of PyTorch's product and the one that clfa takes.
        with torch.inference_mode():
            seconds = min(
                fastest(lambda left=left, right=right: torch.nn.functional.linear(left, right), device),
                fastest(lambda left=left, ours=ours: ours(left), device),
            )
        rates[f"{rows} x {inner} x {columns}"] = 2 * rows * inner * columns / seconds
    return rates


def bandwidth(device: str = "cpu", megabytes: int = 256) -> float:
    """Bytes per second, read and written ones both counted, of a copy or an addition in place, the faster of the two.

    Args:
        device: Where.
        megabytes: Size of either tensor; far beyond any cache.
    """
    source = torch.ones(megabytes * 250_000, device=device)
    target = torch.empty_like(source)
    size = 4 * source.numel()
    # A processor reads what it is about to overwrite, so that a copy moves more than is counted.
    return max(
        2 * size / fastest(lambda: target.copy_(source), device),
        3 * size / fastest(lambda: target.add_(source), device),
    )


def fastest(work: Callable[[], Any], device: str = "cpu", budget: float = 0.4) -> float:
    """Seconds of the fastest of the repetitions that fit into ``budget`` seconds, five at least.

    A floor wants the best that the machine can do, not the usual.
    """
    best, spent, count = float("inf"), 0.0, 0
    work()
    while spent < budget or count < 5:
        synchronise(device)
        start = time.perf_counter()
        work()
        synchronise(device)
        seconds = time.perf_counter() - start
        best, spent, count = min(best, seconds), spent + seconds, count + 1
    return best


def synchronise(device: str) -> None:
    """Wait for a GPU to finish what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
