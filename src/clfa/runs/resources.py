"""Memory use and package versions of a run."""

from __future__ import annotations

import contextlib
import platform
import sys
import time

from clfa.version import __version__

try:
    import resource
except ImportError:
    # Windows has no such module.
    resource = None  # type: ignore[assignment]


def cost(started: float, prepared: float, trained: float) -> dict[str, float | None]:
    """Return the entry ``resources`` of ``metrics.json``: seconds, and the peak memory in MB.

    Args:
        started: ``time.perf_counter()`` at the start of the run, also for the further arguments.
        prepared: Before the training.
        trained: After it.
    """
    peak = peak_memory_mb()
    return {
        "seconds_preparing": round(prepared - started, 1),
        "seconds_training": round(trained - prepared, 1),
        "seconds_total": round(time.perf_counter() - started, 1),
        "peak_memory_mb": None if peak is None else round(peak),
    }


def peak_memory_mb() -> float | None:
    """Return the largest resident memory of this process so far, in MB; ``None`` if the system does not report it."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8") as file:
        # getrusage includes memory of the parent process from before this program was started (fork, then exec).
        for line in file:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    if resource is None:
        return _peak_working_set_mb()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _peak_working_set_mb() -> float | None:
    """Return what Windows calls the peak working set, in MB; ``None`` on other systems."""
    import psutil

    peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
    return None if peak is None else peak / 1e6


def reset_peak_memory() -> None:
    """Reset the value of :func:`peak_memory_mb` to the memory in use now, where the system supports it (Linux).

    Otherwise a process with several runs would report the largest value for all later runs.
    """
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect results."""
    import torch
    import transformers

    return {
        "clfa": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
