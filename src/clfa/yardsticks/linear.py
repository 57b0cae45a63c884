"""Yardsticks that are a linear model on fixed features."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np

from clfa.targets.probabilities import log_probabilities
from clfa.targets.problem_type import ProblemType
from clfa.targets.scores import score
from clfa.targets.target import Target, label_slices
from clfa.yardsticks.base import BLOCKS, LinearMap, Yardstick, YardstickData, YardstickOutputs
from clfa.yardsticks.blocks import joined

# Inverse strengths of the L2 penalty, for features whose rows have a length of about 1.
STRENGTHS = (0.1, 1.0, 3.0, 10.0)
_ITERATIONS = 200
# Half the time of scikit-learn's 1e-4, for the same settings and scores.
_TOLERANCE = 1e-3


class LinearYardstick(Yardstick):
    """A linear model per target on the blocks of features that a subclass names.

    One class or grade per post: multinomial logistic regression. A set of classes: one logistic regression per class.
    A number: ridge regression. The strength of the L2 penalty, and whether classes are weighted by their inverse
    frequency, are those with the best score of the validation split (:func:`clfa.targets.scores.score`), for each
    target; the strongest penalty without weights where scores are equal.

    Attributes:
        blocks: Names of the blocks of features, which also set ``needs``.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.blocks:
            cls.needs = tuple(BLOCKS[name] for name in cls.blocks)

    def features(self, data: YardstickData) -> dict[str, Any]:
        """Return the features (N, D) by split, dense or sparse, whose rows have a length of about 1.

        By default the blocks side by side. A subclass with other features names none and is not part of blends.
        """
        return joined([data.block(name) for name in self.blocks])

    def outputs(self, data: YardstickData) -> YardstickOutputs:
        """See :meth:`Yardstick.outputs`."""
        features = self.features(data)
        parts: dict[str, list[np.ndarray]] = {name: [] for name in data.splits}
        maps, settings = [], {}
        for target, own in label_slices(data.targets):
            labels = {name: split.labels[:, own] for name, split in data.splits.items()}
            settings[target.name], found, linear = _chosen(target.kind, features, labels)
            maps.append(linear if target.kind.linear_logits else _nothing(target, features["train"].shape[1]))
            for name, logits in found.items():
                parts[name].append(logits)
        outputs = {name: np.concatenate(part, axis=1) for name, part in parts.items()}
        named = settings if len(settings) > 1 else next(iter(settings.values()))
        if not self.blocks:
            return YardstickOutputs(outputs, named)
        weights, bias = (np.concatenate(part, axis=-1) for part in zip(*maps, strict=True))
        ends = np.cumsum([data.block(name)["train"].shape[1] for name in self.blocks])[:-1]
        by_block = dict(zip(self.blocks, np.split(weights, ends), strict=True))
        return YardstickOutputs(outputs, named, LinearMap(by_block, bias))


# Weights (D, L) and bias (L,) of a fitted model.
_Map = tuple[np.ndarray, np.ndarray]


def _nothing(target: Target, width: int) -> _Map:
    return np.zeros((width, target.logit_width), np.float32), np.zeros(target.logit_width)


def _chosen(
    kind: ProblemType, features: dict[str, Any], labels: dict[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray], _Map]:
    """Return the settings with the best validation score, their logits by split, and the fitted model."""
    present = np.flatnonzero(~np.isnan(labels["train"]).any(axis=1))
    best = -1.0
    settings: dict[str, Any] = {}
    logits: dict[str, np.ndarray] = {}
    linear: _Map | None = None
    for candidate, model in _candidates(kind, features["train"][present], labels["train"][present]):
        validation = kind.logits_of(model.estimates(features["validation"]))
        found = score({"": kind.report(labels["validation"], validation)})
        if found > best:
            best, settings, linear = found, candidate, model.linear()
            logits = {name: kind.logits_of(model.estimates(own)) for name, own in features.items()}
    assert linear is not None
    return settings, logits, linear


class _Model(Protocol):
    """A fitted model, which is to be used before the next one is fitted."""

    def estimates(self, features: Any) -> np.ndarray:
        """Return class probabilities (N, C), or values (N, 1)."""

    def linear(self) -> _Map:
        """Return weights (D, L) float32 and bias (L,)."""


def _candidates(kind: ProblemType, features: Any, labels: np.ndarray) -> Iterator[tuple[dict[str, Any], _Model]]:
    """Yield settings with a fitted model each."""
    if not kind.has_classes:
        for strength in STRENGTHS:
            yield {"alpha": 1 / strength}, _Ridge(kind, features, labels, 1 / strength)
        return
    size = len(kind.target.label_names)
    for weighting in ("none", "balanced"):
        model = _OneClass(labels[:, 0], size, weighting) if kind.one_class else _Classes(labels, weighting)
        for strength in STRENGTHS:
            model.fit(features, strength)
            yield {"C": strength, "class_weight": weighting}, model


class _Logistic:
    """Logistic regression whose fits start from the one before; also of labels that are all equal."""

    def __init__(self, labels: np.ndarray, weighting: str) -> None:
        from sklearn.linear_model import LogisticRegression

        self.labels = labels.astype(int)
        self.classes = np.unique(self.labels)
        self.width = 0
        weight = None if weighting == "none" else weighting
        self.model = LogisticRegression(class_weight=weight, warm_start=True, max_iter=_ITERATIONS, tol=_TOLERANCE)

    def fit(self, features: Any, strength: float) -> None:
        from sklearn.exceptions import ConvergenceWarning

        self.width = features.shape[1]
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

    def linear(self, size: int) -> _Map:
        """Return weights and bias whose softmax is :meth:`probabilities`."""
        weights, bias = np.zeros((self.width, size), np.float32), log_probabilities(np.zeros(size))
        if len(self.classes) == 1:
            bias[self.classes] = 0.0
            return weights, bias
        coefficients, intercepts = self.model.coef_, self.model.intercept_
        if len(self.classes) == 2:
            # scikit-learn has the log-odds of the second class.
            coefficients, intercepts = np.stack([0 * coefficients[0], coefficients[0]]), [0.0, intercepts[0]]
        weights[:, self.classes] = np.transpose(coefficients)
        bias[self.classes] = intercepts
        return weights, bias


class _OneClass:
    """One class per post."""

    def __init__(self, labels: np.ndarray, size: int, weighting: str) -> None:
        self._logistic, self._size = _Logistic(labels, weighting), size

    def fit(self, features: Any, strength: float) -> None:
        self._logistic.fit(features, strength)

    def estimates(self, features: Any) -> np.ndarray:
        return self._logistic.probabilities(features, self._size)

    def linear(self) -> _Map:
        return self._logistic.linear(self._size)


class _Classes:
    """A set of classes per post: one model per class."""

    def __init__(self, labels: np.ndarray, weighting: str) -> None:
        self._models = [_Logistic(column, weighting) for column in labels.T]

    def fit(self, features: Any, strength: float) -> None:
        for model in self._models:
            model.fit(features, strength)

    def estimates(self, features: Any) -> np.ndarray:
        return np.stack([model.probabilities(features, 2)[:, 1] for model in self._models], axis=1)

    def linear(self) -> _Map:
        pairs = [model.linear(2) for model in self._models]
        # The log-odds of having the class.
        weights = np.stack([weights[:, 1] - weights[:, 0] for weights, _ in pairs], axis=1)
        return weights, np.array([bias[1] - bias[0] for _, bias in pairs])


class _Ridge:
    """A number."""

    def __init__(self, kind: ProblemType, features: Any, labels: np.ndarray, alpha: float) -> None:
        from sklearn.linear_model import Ridge

        self._kind = kind
        self._model = Ridge(alpha=alpha).fit(features, labels[:, 0])

    def estimates(self, features: Any) -> np.ndarray:
        values: np.ndarray = self._model.predict(features)
        return values.reshape(-1, 1)

    def linear(self) -> _Map:
        # Logits are an affine function of the value.
        zero, one = self._kind.logits_of(np.array([[0.0], [1.0]]))[:, 0]
        weights = (one - zero) * self._model.coef_.reshape(-1, 1)
        return weights.astype(np.float32), np.array([zero + (one - zero) * float(self._model.intercept_)])
