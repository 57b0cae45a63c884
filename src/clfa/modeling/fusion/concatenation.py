"""Token sequences of several streams as one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from clfa.modeling.fusion.base import Stream


def concatenate(streams: Sequence[Stream]) -> Stream:
    """Put token sequences behind one another.

    Args:
        streams: At least one, of the same batch and width.

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
