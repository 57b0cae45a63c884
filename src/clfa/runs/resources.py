"""What a run costs."""

from __future__ import annotations

import contextlib
import platform
import sys

import torch
import transformers

from clfa.version import __version__

try:
    import resource
except ImportError:
    # Windows has no such module.
    resource = None  # type: ignore[assignment]


def peak_memory_mb() -> float | None:
    """Return the largest resident memory of this process so far, in MB; ``None`` where the system does not tell."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="utf-8") as file:
        # getrusage also counts what the process was before it was this program: a copy of the one that started it.
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
    """Let :func:`peak_memory_mb` start from the memory in use now, where the system can (Linux).

    A process that carries out several runs would otherwise report the largest of them for all that follow.
    """
    with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w", encoding="utf-8") as file:
        file.write("5")


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    return {
        "clfa": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
