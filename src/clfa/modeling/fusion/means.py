"""Mean vectors of streams, the input of fusions without attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from clfa.modeling.fusion.base import Stream
from clfa.modeling.pooling import masked_mean


def stream_means(streams: Mapping[str, Stream], names: Sequence[str]) -> Stream:
    """Return the masked mean of every stream, as one token per stream.

    Args:
        streams: Streams by name; knowledge may be absent.
        names: Names of the streams, in the order of the result.

    Returns:
        Means (B, M, D) of the M named streams. The mean is zero, and the mask (B, M) is 0, for a stream that is absent
        from the batch or has no token in a sample.
    """
    first = next(iter(streams.values())).hidden
    means, present = [], []
    for name in names:
        if name not in streams:
            means.append(first.new_zeros(first.shape[0], first.shape[-1]))
            present.append(torch.zeros(first.shape[0], dtype=torch.bool, device=first.device))
            continue
        hidden, mask, _ = streams[name]
        means.append(masked_mean(hidden, mask))
        everywhere = torch.ones(hidden.shape[0], dtype=torch.bool, device=hidden.device)
        present.append(everywhere if mask is None else mask.bool().any(dim=1))
    return Stream(torch.stack(means, dim=1), torch.stack(present, dim=1))
