"""Class probabilities of samples by classifiers that were not fitted on them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from clfa.errors import DataError

FOLDS = 5


def word_classifier() -> Any:
    """Return an unfitted classifier of TF-IDF features."""
    return LogisticRegression(C=1.0, max_iter=300)


def pooled_classifier() -> Any:
    """Return an unfitted classifier of pooled features of encoders, which is regularised more."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))


def out_of_fold(
    members: Sequence[tuple[Any, Callable[[], Any]]],
    labels: np.ndarray,
    groups: Sequence[Hashable],
    classes: int,
    *,
    folds: int = FOLDS,
    seed: int = 0,
) -> np.ndarray:
    """Return the probabilities (N, classes) of samples by classifiers fitted on the other folds.

    Args:
        members: Features (N, ...) and a function that makes the classifier for them; the members' probabilities are
            averaged.
        labels: Class indices (N,).
        groups: Group of each sample; samples of a group are in one fold, so that a copy of a post with the same wrong
            label does not confirm it.
        classes: Number of classes. A class without a sample in the other folds has probability 0.
        folds: Number of folds, stratified by class.
        seed: Seed of the folds.

    Raises:
        DataError: If no class has as many samples as there are folds.
    """
    if np.bincount(labels).max() < folds or len(set(groups)) < folds:
        raise DataError(f"{len(labels)} labelled samples are too few for {folds} folds; use fewer folds")
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    found = np.zeros((len(labels), classes))
    with warnings.catch_warnings():
        # A class with fewer samples than folds is ranked as well as it can be.
        warnings.filterwarnings("ignore", message="The least populated class")
        cuts = list(splitter.split(labels, labels, list(groups)))
    for features, make in members:
        for fitted, held in cuts:
            model = make().fit(features[fitted], labels[fitted])
            found[np.ix_(held, model.classes_)] += model.predict_proba(features[held]) / len(members)
    return found
