"""What a model takes from the training split before training: class weights, and mean and spread of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from clfa.errors import RecipeError
from clfa.targets.target import LABEL, MULTI_LABEL, REGRESSION, Target, label_slices


def fit_targets(targets: Sequence[Target], labels: np.ndarray, class_weights: Any = "none") -> list[Target]:
    """Targets with their class weights, means and standard deviations.

    Args:
        targets: As the reader gave them.
        labels: Of the training split only (N, sum of widths), NaN where missing; every class has a positive.
        class_weights: As in the recipe's training section.

    Raises:
        RecipeError: Class weights for a class or target that does not exist, or that are not positive numbers.
    """
    wanted = _per_target(targets, class_weights)
    fitted = []
    for target, columns in label_slices(targets):
        values = labels[:, columns]
        values = values[~np.isnan(values).any(axis=1)]
        if target.problem_type == REGRESSION:
            if isinstance(wanted[target.name], Mapping):
                raise RecipeError(
                    f"training.class_weights: target {target.name!r} is a regression and has no classes to weigh."
                )
            fitted.append(replace(target, mean=float(values.mean()), sd=float(values.std())))
        else:
            fitted.append(replace(target, class_weights=_weights(target, values, wanted[target.name])))
    return fitted


def _per_target(targets: Sequence[Target], class_weights: Any) -> dict[str, Any]:
    """``none``, ``balanced`` or a mapping for every target."""
    if not isinstance(class_weights, Mapping):
        return {target.name: class_weights for target in targets}
    names = [target.name for target in targets]
    if len(targets) == 1 and not set(class_weights) <= set(names):
        return {names[0]: class_weights}
    unknown = sorted(set(class_weights) - set(names))
    if unknown:
        raise RecipeError(
            f"training.class_weights: there is no target {unknown[0]!r}; with several targets give weights by target: "
            f"{', '.join(names)}."
        )
    return {name: class_weights.get(name, "none") for name in names}


def _weights(target: Target, values: np.ndarray, wanted: Any) -> tuple[float, ...] | None:
    if wanted is None or wanted == "none":
        return None
    if wanted == "balanced":
        return balanced_weights(target, values)
    where = "training.class_weights" + ("" if target.name == LABEL else f" of target {target.name!r}")
    if not isinstance(wanted, Mapping):
        raise RecipeError(f"{where}: {wanted!r} is not none, balanced or a mapping of classes to weights.")
    unknown = sorted(map(str, set(wanted) - set(target.label_names)))
    if unknown:
        raise RecipeError(f"{where}: there is no class {unknown[0]!r}; classes: {', '.join(target.label_names)}.")
    for name, weight in wanted.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
            raise RecipeError(f"{where}: the weight of {name!r} is {weight!r}; it must be a number above 0.")
    return tuple(float(wanted.get(name, 1.0)) for name in target.label_names)


def balanced_weights(target: Target, values: np.ndarray) -> tuple[float, ...]:
    """Weights under which all classes count alike.

    Args:
        target: Single-label, weighted as scikit-learn's ``balanced``: ``N / (C * count)``; or multi-label: negatives by
            positives of each class.
        values: Labels (N, width), none missing, every class with a positive.
    """
    if target.problem_type == MULTI_LABEL:
        positives = values.sum(axis=0)
        # A class that every sample has would get weight 0 and never be learnt.
        return tuple(float(w) for w in np.maximum(len(values) - positives, 1) / positives)
    classes = np.arange(len(target.label_names))
    return tuple(float(w) for w in compute_class_weight("balanced", classes=classes, y=values[:, 0].astype(int)))
