"""Yardsticks that are a linear model on fixed features."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from clfa.targets.problem_type import ProblemType
from clfa.targets.scores import score
from clfa.targets.target import label_slices
from clfa.yardsticks.base import Yardstick, YardstickData, YardstickOutputs

# Inverse strengths of the L2 penalty, for features whose rows have a length of about 1.
STRENGTHS = (0.1, 1.0, 3.0, 10.0)
_ITERATIONS = 200

Estimator = Callable[[Any], np.ndarray]


class LinearYardstick(Yardstick):
    """A linear model per target on the features of a subclass.

    One class or grade per post: multinomial logistic regression. A set of classes: one logistic regression per class.
    A number: ridge regression. The strength of the L2 penalty, and whether classes are weighted by their inverse
    frequency, are those with the best score of the validation split (:func:`clfa.targets.scores.score`), for each
    target; the strongest penalty without weights where scores are equal.
    """

    @abstractmethod
    def features(self, data: YardstickData) -> dict[str, Any]:
        """Return the features (N, D) by split, dense or sparse, whose rows have a length of about 1."""

    def outputs(self, data: YardstickData) -> YardstickOutputs:
        """See :meth:`Yardstick.outputs`."""
        features = self.features(data)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in data.splits}
        settings = {}
        for target, own in label_slices(data.targets):
            labels = {name: split.labels[:, own] for name, split in data.splits.items()}
            settings[target.name], found = _chosen(target.kind, features, labels)
            for name, logits in found.items():
                parts[name].append(logits)
        outputs = {name: np.concatenate(part, axis=1) for name, part in parts.items()}
        return YardstickOutputs(outputs, settings if len(settings) > 1 else next(iter(settings.values())))


def _chosen(
    kind: ProblemType, features: dict[str, Any], labels: dict[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the settings with the best validation score, and their logits by split."""
    present = np.flatnonzero(~np.isnan(labels["train"]).any(axis=1))
    best, settings, logits = -1.0, {}, {}
    for candidate, estimate in _candidates(kind, features["train"][present], labels["train"][present]):
        validation = kind.logits_of(estimate(features["validation"]))
        found = score({"": kind.report(labels["validation"], validation)})
        if found > best:
            best, settings = found, candidate
            logits = {name: kind.logits_of(estimate(own)) for name, own in features.items()}
    return settings, logits


def _candidates(kind: ProblemType, features: Any, labels: np.ndarray) -> Iterator[tuple[dict[str, Any], Estimator]]:
    """Yield settings with a fitted model each, which is to be used before the next one is fitted."""
    if not kind.has_classes:
        yield from _ridge(features, labels)
        return
    size = len(kind.target.label_names)
    columns = [labels[:, 0]] if kind.one_class else list(labels.T)
    for weighting in ("none", "balanced"):
        models = [_Logistic(column, weighting) for column in columns]
        for strength in STRENGTHS:
            for model in models:
                model.fit(features, strength)
            settings = {"C": strength, "class_weight": weighting}
            if kind.one_class:
                yield settings, lambda rows, model=models[0]: model.probabilities(rows, size)  # type: ignore[misc]
            else:
                yield (
                    settings,
                    lambda rows, models=models: np.stack(  # type: ignore[misc]
                        [model.probabilities(rows, 2)[:, 1] for model in models], axis=1
                    ),
                )


class _Logistic:
    """Logistic regression whose fits start from the one before; also of labels that are all equal."""

    def __init__(self, labels: np.ndarray, weighting: str) -> None:
        from sklearn.linear_model import LogisticRegression

        self.labels = labels.astype(int)
        self.classes = np.unique(self.labels)
        weight = None if weighting == "none" else weighting
        self.model = LogisticRegression(class_weight=weight, warm_start=True, max_iter=_ITERATIONS)

    def fit(self, features: Any, strength: float) -> None:
        from sklearn.exceptions import ConvergenceWarning

        if len(self.classes) > 1:
            with warnings.catch_warnings():
                # A yardstick need not be exact; the validation split judges each fit.
                warnings.simplefilter("ignore", ConvergenceWarning)
                self.model.set_params(C=strength).fit(features, self.labels)

    def probabilities(self, features: Any, size: int) -> np.ndarray:
        """Return the probabilities of the classes 0 to ``size`` - 1 (N, size); 0 for those without a label."""
        table = np.zeros((features.shape[0], size))
        table[:, self.classes] = self.model.predict_proba(features) if len(self.classes) > 1 else 1.0
        return table


def _ridge(features: Any, labels: np.ndarray) -> Iterator[tuple[dict[str, Any], Estimator]]:
    from sklearn.linear_model import Ridge

    for strength in STRENGTHS:
        model = Ridge(alpha=1 / strength).fit(features, labels)
        yield {"alpha": 1 / strength}, lambda rows, model=model: model.predict(rows).reshape(-1, 1)  # type: ignore[misc]
