"""Values that are fitted to held-out posts after a training: calibrations, then thresholds of probabilities."""

from __future__ import annotations

import numpy as np

from clfa.modeling import CLFAForClassification
from clfa.modeling.configuration import CLFAConfig
from clfa.recipe import Recipe
from clfa.targets.calibrate import calibrated
from clfa.targets.fit import tuned


def fit_outputs(recipe: Recipe, model: CLFAForClassification, labels: np.ndarray, logits: np.ndarray) -> None:
    """Fit what the recipe asks for, into a model's configuration.

    A calibration sorts confidences of predictions, which thresholds change, and thresholds are of calibrated
    probabilities; so there is a calibration before and one after them.

    Args:
        recipe: Its training section.
        model: The trained model; an earlier calibration is replaced.
        labels: Labels of posts that the model was not trained on (N, sum of widths), NaN where missing.
        logits: Its outputs for them (N, sum of logit widths).
    """
    training = recipe.training
    config: CLFAConfig = model.config  # type: ignore[assignment]
    targets = config.target_list
    if training.calibrate:
        targets = calibrated(targets, labels, logits)
    if training.tune_thresholds:
        targets = tuned(targets, labels, logits)
        if training.calibrate:
            targets = calibrated(targets, labels, logits)
    config.take_fitted(targets)
