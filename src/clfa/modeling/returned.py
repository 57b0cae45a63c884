"""Checks of what fusions, baselines, poolings and readouts return: those of other packages may return anything."""

from __future__ import annotations

from typing import Any

import torch

from clfa.errors import ModelError
from clfa.modeling.fusion.base import Stream


def require_stream(part: str, found: Any, width: int) -> Stream:
    """Return what a fusion or baseline returned.

    Args:
        part: It, for the message: ``fusion 'mine'``.
        found: What it returned.
        width: Width of the tokens.

    Raises:
        ModelError: When it is no :class:`Stream` of tokens (B, N, ``width``).
    """
    hidden = found.hidden if isinstance(found, Stream) else None
    if not isinstance(found, Stream) or not _is_tensor(hidden, 3, width):
        shown = f"a Stream whose hidden is {_shown(hidden)}" if isinstance(found, Stream) else _shown(found)
        raise ModelError(f"{part} returned {shown}; it has to return a Stream of tokens (batch, tokens, {width}).")
    return found


def require_vectors(part: str, found: Any, width: int) -> torch.Tensor:
    """Return what a pooling or readout returned.

    Args:
        part: It, for the message: ``pooling 'mine'``.
        found: What it returned.
        width: Width of the vectors.

    Raises:
        ModelError: When it is no tensor (B, ``width``).
    """
    if not _is_tensor(found, 2, width):
        raise ModelError(f"{part} returned {_shown(found)}; it has to return a tensor (batch, {width}).")
    tensor: torch.Tensor = found
    return tensor


def _is_tensor(found: Any, dimensions: int, width: int) -> bool:
    # The size of the batch is not compared: it is a variable of an exported graph.
    return isinstance(found, torch.Tensor) and found.ndim == dimensions and found.shape[-1] == width


def _shown(found: Any) -> str:
    if isinstance(found, torch.Tensor):
        return f"a tensor {tuple(found.shape)}"
    return "None" if found is None else f"a {type(found).__name__}"
