"""Calibration of targets on held-out posts: temperatures, confidences and nonconformity scores."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clfa.targets.calibration import Calibration, ranked
from clfa.targets.target import Target, label_slices, logit_slices

logger = logging.getLogger(__name__)

# Strength of the pull of a temperature towards 1: that of one post whose log-likelihood is -(log T)^2. A few held-out
# posts that are all right would otherwise make every probability 0 or 1.
PULL = 1.0
_LARGEST = 20.0


def calibrated(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> list[Target]:
    """Return the targets with their calibration; one without a labelled post, or of a kind without it, as it was.

    Args:
        targets: Targets of the model.
        labels: Labels of posts that the model was not trained on (N, sum of widths), NaN where missing.
        logits: Its outputs for them (N, sum of logit widths).
    """
    parts = zip(label_slices(targets), logit_slices(targets), strict=True)
    return [_calibrated(target, labels[:, own], logits[:, outputs]) for (target, own), (_, outputs) in parts]


def _calibrated(target: Target, labels: np.ndarray, logits: np.ndarray) -> Target:
    present = ~np.isnan(labels).any(axis=1)
    labels, logits = labels[present], logits[present]
    methods = target.kind.set_methods
    if not len(labels) or not (methods or target.kind.has_temperature):
        return target
    temperature = fit_temperature(target, labels, logits) if target.kind.has_temperature else 1.0
    warm = replace(target, calibration=Calibration(temperature))
    confidences = warm.kind.confidence(logits)
    found = Calibration(
        temperature,
        len(labels),
        () if confidences is None else ranked(confidences),
        {name: ranked(warm.kind.nonconformity(labels, logits, name)) for name in methods},
    )
    return replace(target, calibration=found)


def fit_temperature(target: Target, labels: np.ndarray, logits: np.ndarray, pull: float = PULL) -> float:
    """Return the temperature T with the best likelihood (Guo et al. 2017, arXiv:1706.04599), pulled towards 1.

    It minimises ``N loss(logits / T) + pull (log T)^2``, with the loss of the target without class weights, focal
    modulation and smoothing. 1/20 <= T <= 20.

    Args:
        target: A target of a kind with a temperature.
        labels: Labels of posts it was not trained on (N, ``width``), without missing labels, N > 0.
        logits: (N, ``logit_width``).
        pull: Strength of the pull.
    """
    import torch
    from scipy.optimize import minimize_scalar

    plain = replace(target, class_weights=None).kind
    outputs, values = torch.tensor(logits, dtype=torch.float64), torch.tensor(labels, dtype=torch.float64)

    def cost(log_t: float) -> float:
        return len(labels) * float(plain.loss(outputs / math.exp(log_t), values)) + pull * log_t**2

    bound = math.log(_LARGEST)
    found = minimize_scalar(cost, bounds=(-bound, bound), method="bounded", options={"xatol": 1e-6})
    return round(float(math.exp(found.x)), 6)
