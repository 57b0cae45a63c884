"""Weights of the parts of a blend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clfa.targets.target import Target

# Strength of the pull towards the prior weights, in posts. With a few hundred posts to fit them on, free weights follow
# the noise, or a validation split that differs from the posts to come.
PULL = 100.0


def prior_weights(count: int) -> np.ndarray:
    """Return the weights of parts before any post was seen: half for the first, the network, the rest for the others.

    Args:
        count: Number of parts K, at least 1.

    Returns:
        (K,) float64 with the sum 1.
    """
    return np.array([1.0]) if count == 1 else np.array([0.5, *[0.5 / (count - 1)] * (count - 1)])


def blend_weights(target: Target, logits: Sequence[np.ndarray], labels: np.ndarray, pull: float = PULL) -> np.ndarray:
    """Return the weights (K,) of K parts for one target.

    They minimise ``loss(sum_k w_k z_k) + pull / (N K) * sum_k (w_k - p_k)^2`` with all ``w_k >= 0`` and the weights
    ``p_k`` of :func:`prior_weights`: a logarithmic opinion pool (Heskes 1998, NIPS 10), with the loss of the target and
    its class weights. The weights need not add up to 1; their sum sets how sure the blend is.

    Args:
        target: The target, with the values fitted to the training split.
        logits: Logits of each part (N, ``logit_width``), for posts it was not trained on; first the network.
        labels: Labels of these posts (N, ``width``), NaN where missing.
        pull: Strength of the pull towards the prior weights, above 0.

    Returns:
        (K,) float64; the prior weights if no post has a label.
    """
    import torch
    from scipy.optimize import minimize

    prior = prior_weights(len(logits))
    present = ~np.isnan(labels).any(axis=1)
    if not present.any():
        return prior
    parts = torch.tensor(np.stack([part[present] for part in logits]), dtype=torch.float64)
    values = torch.tensor(labels[present], dtype=torch.float64)
    strength = pull / (len(values) * len(logits))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        w = torch.tensor(weights, requires_grad=True)
        total = target.kind.loss((w[:, None, None] * parts).sum(dim=0), values)
        total = total + strength * ((w - torch.from_numpy(prior)) ** 2).sum()
        total.backward()
        assert w.grad is not None
        return total.item(), w.grad.numpy()

    found = minimize(loss, prior, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(logits))
    weights: np.ndarray = found.x
    return weights
