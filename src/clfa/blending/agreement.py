"""A linear map of the agreement of text and image, as a part of a blend."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clfa.blending.weights import blend_weights
from clfa.targets.target import Target

logger = logging.getLogger(__name__)

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


def weights_with_agreement(
    target: Target, logits: Sequence[np.ndarray], labels: np.ndarray, without: np.ndarray
) -> np.ndarray:
    """Return the weights with the agreement, the last part, if these score higher than those without it.

    A line of a number that says nothing is the same answer for all posts. Its loss is low where classes are rare, and
    the blend would be drawn to the most frequent one.

    Args:
        target: The target.
        logits: Logits of each part (N, ``logit_width``).
        labels: Labels (N, ``width``), NaN where missing.
        without: Weights of the other parts (K - 1,), from :func:`clfa.blending.weights.blend_weights`.

    Returns:
        (K,) float64; the last one is 0 if the headline metric of the target is not higher with the agreement.
    """
    both = np.append(without, 0.0), blend_weights(target, logits, labels)
    reports = [target.kind.report(labels, np.tensordot(weights, np.stack(logits), axes=1)) for weights in both]
    scores = [report.get(target.kind.headline) or 0.0 for report in reports]
    if scores[1] > scores[0]:
        return both[1]
    logger.info(
        "The agreement takes no part in the blend for %r: %s on validation is %.4f with it, %.4f without.",
        target.name,
        target.kind.headline,
        scores[1],
        scores[0],
    )
    return both[0]
