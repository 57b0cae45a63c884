"""Errors of a model whose files are damaged, or not of one training, where a prediction shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clfa.errors import CLFAError, ModelError


@contextmanager
def fitting() -> Iterator[None]:
    """Return a context for preparing and computing a batch.

    Raises:
        ModelError: If the libraries fail in it, which they do with settings that are of a wrong type or do not belong
            together. Errors for users and a lack of memory stay as they are.
    """
    try:
        yield
    except (CLFAError, MemoryError):
        raise
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        # PyTorch has its own class for devices, and none for the CPU.
        if "out of memory" in reason.lower() or "allocate memory" in reason:
            raise
        raise ModelError(
            f"the model cannot compute what its processor prepares ({type(error).__name__}: {reason.rstrip('.')}): "
            "their files are damaged, or not of the same training. Save or copy both together again."
        ) from error
