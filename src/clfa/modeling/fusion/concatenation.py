"""Concatenation of the token sequences of several streams."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clfa.modeling.fusion.base import Stream


def concatenate(streams: Sequence[Stream]) -> Stream:
    """Concatenate token sequences.

    Args:
        streams: At least one stream; all have the same batch and width.

    Returns:
        All tokens (B, N1 + N2 + ..., D) with their mask, ``None`` when no stream has one; no bias.
    """
    hidden = torch.cat([stream.hidden for stream in streams], dim=1)
    if all(stream.mask is None for stream in streams):
        return Stream(hidden)
    masks = [
        torch.ones(stream.hidden.shape[:2], dtype=torch.bool, device=hidden.device)
        if stream.mask is None
        else stream.mask.bool()
        for stream in streams
    ]
    return Stream(hidden, torch.cat(masks, dim=1))
