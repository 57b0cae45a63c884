"""What a run costs."""

from __future__ import annotations

import platform
import resource
import sys

import torch
import transformers

from clfa.version import __version__


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes on Linux, bytes on macOS.
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def versions() -> dict[str, str]:
    """Versions of what decides a result."""
    return {
        "clfa": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
