"""Memory that a loop frees stays at hand for its next turn."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# Where glibc's own adjustment of its thresholds ends (mallopt(3)), and its default.
_LARGEST_MMAP_THRESHOLD = 2**25
_DEFAULT_MMAP_MAX = 65536

_lock = threading.Lock()
_users = 0


@cache
def _allocator() -> Any:
    """The C library, where it is glibc; ``None`` elsewhere."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    known = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return library if known else None


@contextmanager
def reused_memory() -> Iterator[None]:
    """Within, memory that is freed is not given back to the system, which would have to clear it page by page again.

    Every training step allocates and frees the same activations and gradients, hundreds of megabytes of them. glibc
    gives large blocks back at once; at BERT's size the faults of getting them anew are a tenth of a step in bfloat16
    on two cores (``python -m benchmarks levers``). Memory then stays at its peak until the end, when all that is free
    is given back. May be nested, also by several threads. Nothing happens where the allocator is another.

    Example:
        >>> with reused_memory():
        ...     pass
    """
    global _users
    library = _allocator()
    if library is None:
        yield
        return
    with _lock:
        _users += 1
        if _users == 1:
            library.mallopt(_MMAP_MAX, 0)
            library.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                library.mallopt(_MMAP_MAX, _DEFAULT_MMAP_MAX)
                library.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
                library.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP_THRESHOLD)
                library.malloc_trim(0)
