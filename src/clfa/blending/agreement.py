"""A linear map of the agreement of text and image, as a part of a blend."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clfa.targets.target import Target

# Penalty on the slope, for an agreement of standard deviation 1, in posts.
RIDGE = 1.0


class AgreementMap(NamedTuple):
    """``agreement * weight + bias``.

    Args:
        weight: (L,) float64.
        bias: (L,) float64.
    """

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, agreement: np.ndarray) -> np.ndarray:
        """Return the logits (N, L); 0 where there is no agreement.

        Args:
            agreement: (N,), NaN where text or image is missing.
        """
        logits = agreement[:, None] * self.weight + self.bias
        return np.where(np.isnan(agreement)[:, None], 0.0, logits)


def agreement_map(target: Target, agreement: np.ndarray, labels: np.ndarray) -> AgreementMap:
    """Fit the map for one target: for classes a logistic regression on one number.

    Args:
        target: The target, with the values fitted to the training split.
        agreement: Cosines of the aligned text and image (N,) of posts that the network was not trained on, NaN where
            one of them is missing.
        labels: Labels of these posts (N, ``width``), NaN where missing.

    Returns:
        The map; all zeros if no post has both, or if all agreements are equal.
    """
    import torch
    from scipy.optimize import minimize

    outputs = target.logit_width
    nothing = AgreementMap(np.zeros(outputs), np.zeros(outputs))
    known = ~(np.isnan(labels).any(axis=1) | np.isnan(agreement))
    if not known.any():
        return nothing
    own = agreement[known].astype(np.float64)
    mean, deviation = own.mean(), own.std()
    if deviation < 1e-6:
        return nothing
    x = torch.from_numpy((own - mean) / deviation)
    values = torch.tensor(labels[known], dtype=torch.float64)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        both = torch.tensor(parameters.reshape(2, outputs), requires_grad=True)
        found = target.kind.loss(x[:, None] * both[0] + both[1], values)
        found = found + RIDGE / len(values) * (both[0] ** 2).sum()
        found.backward()
        assert both.grad is not None
        return found.item(), both.grad.numpy().ravel()

    exact = {"ftol": 1e-12, "gtol": 1e-8}
    found = minimize(loss, np.zeros(2 * outputs), jac=True, method="L-BFGS-B", options=exact)
    slope, offset = found.x.reshape(2, outputs)
    return AgreementMap(slope / deviation, offset - slope * mean / deviation)
