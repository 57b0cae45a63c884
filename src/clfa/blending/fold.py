"""Linear models folded into one map of raw features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clfa.yardsticks.base import LinearMap
from clfa.yardsticks.blocks import Scale

if TYPE_CHECKING:
    import torch


def folded(
    maps: Sequence[LinearMap], shares: Sequence[np.ndarray], widths: Mapping[str, int], scales: Mapping[str, Scale]
) -> dict[str, torch.Tensor]:
    """Return the state of a :class:`clfa.modeling.wide.WideBranch` with the weighted sum of linear models.

    Args:
        maps: Linear models of standardised blocks, all by the same scales and terms.
        shares: Weight of each model by output (L,).
        widths: Width of each encoder of the network, by ``text`` and ``image``. A block that no model reads gets zeros.
        scales: Scale of each of these blocks that a model reads.

    Returns:
        Tensors in float32 by name; ``terms_weight`` only if a model reads terms.
    """
    import torch

    bias = sum((map.bias * share for map, share in zip(maps, shares, strict=True)), np.zeros(len(shares[0])))
    weights: dict[str, np.ndarray] = {}
    for linear, share in zip(maps, shares, strict=True):
        for name, own in linear.weights.items():
            weights[name] = weights.get(name, 0.0) + own.astype(np.float64) * share
    state = {"bias": bias}
    for name, width in widths.items():
        if name in weights:
            state[f"{name}_mean"] = scales[name].mean
            state[f"{name}_weight"] = weights[name] / scales[name].length[:, None]
        else:
            state |= {f"{name}_mean": np.zeros(width), f"{name}_weight": np.zeros((width, len(bias)))}
    if "terms" in weights:
        state["terms_weight"] = weights["terms"]
    return {name: torch.tensor(array, dtype=torch.float32) for name, array in state.items()}
