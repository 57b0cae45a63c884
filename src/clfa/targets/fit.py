"""Statistics of the training split (class weights, mean, standard deviation) and thresholds from validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clfa.errors import RecipeError
from clfa.nearest import did_you_mean
from clfa.targets.target import Target, label_slices, logit_slices


def fit_targets(targets: Sequence[Target], labels: np.ndarray, class_weights: Any = "none") -> list[Target]:
    """Return the targets with class weights, means and standard deviations.

    Args:
        targets: Targets from the reader.
        labels: Labels of the training split (N, sum of widths), NaN where missing; each class has a positive.
        class_weights: As in the recipe's training section.

    Raises:
        RecipeError: If class weights name an unknown class or target, or are not positive numbers.
    """
    wanted = _per_target(targets, class_weights)
    fitted = []
    for target, columns in label_slices(targets):
        values = labels[:, columns]
        fitted.append(replace(target, **target.kind.fit(values[~np.isnan(values).any(axis=1)], wanted[target.name])))
    return fitted


def tuned(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> list[Target]:
    """Return the targets with thresholds chosen on the validation split.

    Args:
        targets: Targets of the model.
        labels: Labels of the validation split (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    parts = zip(label_slices(targets), logit_slices(targets), strict=True)
    return [replace(t, **t.kind.tune(labels[:, own], logits[:, outputs])) for (t, own), (_, outputs) in parts]


def _per_target(targets: Sequence[Target], class_weights: Any) -> dict[str, Any]:
    """Return ``none``, a class weighting or a mapping for each target."""
    if not isinstance(class_weights, Mapping):
        return {target.name: class_weights for target in targets}
    names = [target.name for target in targets]
    if len(targets) == 1 and not set(class_weights) <= set(names):
        return {names[0]: class_weights}
    unknown = sorted(set(class_weights) - set(names))
    if unknown:
        raise RecipeError(
            f"training.class_weights: there is no target {unknown[0]!r}; with several targets give weights by target: "
            f"{', '.join(names)}.{did_you_mean(unknown[0], names)}"
        )
    return {name: class_weights.get(name, "none") for name in names}
