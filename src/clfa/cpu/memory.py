"""Reuse of memory between the iterations of a loop (glibc)."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

# Constants of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
# Upper limit of glibc's dynamic mmap threshold (mallopt(3)), and the default of M_MMAP_MAX.
_LARGEST_MMAP_THRESHOLD = 2**25
_DEFAULT_MMAP_MAX = 65536

_lock = threading.Lock()
_users = 0


@cache
def _allocator() -> Any:
    """Return the C library if it is glibc, else ``None``."""
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):
        return None
    known = all(hasattr(library, name) for name in ("gnu_get_libc_version", "mallopt", "malloc_trim"))
    return library if known else None


@contextmanager
def reused_memory() -> Iterator[None]:
    """Keep freed memory in the process instead of returning it to the system.

    Every training step allocates and frees the same activations and gradients, hundreds of megabytes. glibc returns
    large blocks to the system at once, and the system clears every page again before the next use. At BERT's size
    these page faults take a tenth of a step in bfloat16 on two cores (``python -m benchmarks levers``). In this context
    memory stays at its peak; free memory is returned at the end. Contexts may be nested and used by several threads.
    Nothing happens with allocators other than glibc's.

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
