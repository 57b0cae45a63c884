"""Rules of predictions: labels for a share of the posts only, and prediction sets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from clfa.errors import Argument, ModelError
from clfa.nearest import did_you_mean
from clfa.targets.set_methods import SET_METHODS
from clfa.targets.target import Target
from clfa.targets.target_prediction import TargetPrediction

# Confidences and thresholds that differ by rounding are equal.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Rules:
    """What is asked of predictions beside labels and probabilities.

    Args:
        coverage: Share of posts that get a label, above 0 and at most 1: those whose confidence is at least that of the
            most confident share of the held-out posts. ``None``: all.
        sets: Probability with which a prediction set has the true label, between 0 and 1; ``None`` for no sets.
        set_method: Name in :data:`clfa.targets.set_methods.SET_METHODS`, for targets of one class.

    Raises:
        ModelError: If a value is out of range, or there is no such method.
    """

    coverage: float | None = None
    sets: float | None = None
    set_method: str = "lac"

    def __post_init__(self) -> None:
        if self.coverage is not None and not 0 < self.coverage <= 1:
            raise ModelError(Argument("coverage"), f" is {self.coverage!r}; give a share above 0, at most 1.")
        if self.sets is not None and not 0 < self.sets < 1:
            raise ModelError(Argument("sets"), f" is {self.sets!r}; give a probability between 0 and 1, such as 0.9.")
        if self.set_method not in SET_METHODS:
            hint = did_you_mean(self.set_method, SET_METHODS.names())
            known = ", ".join(SET_METHODS.names())
            raise ModelError(Argument("set_method"), f" is {self.set_method!r}; choose one of {known}.{hint}")

    @property
    def given(self) -> bool:
        """Whether anything is asked."""
        return self.coverage is not None or self.sets is not None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; empty if nothing is asked."""
        found: dict[str, Any] = {} if self.coverage is None else {"coverage": self.coverage}
        return found if self.sets is None else found | {"sets": self.sets, "set_method": self.set_method}

    def check(self, targets: Sequence[Target]) -> None:
        """Check that the targets of a model can follow the rules.

        Args:
            targets: Targets of the model.

        Raises:
            ModelError: If the model is not calibrated, a number has no confidence, or there were too few held-out posts
                for the prediction sets.
        """
        if not self.given:
            return
        for target in targets:
            found = target.calibration
            if found is None:
                raise ModelError(
                    Argument("coverage" if self.coverage is not None else "sets"),
                    f" needs a calibrated model, and this one is not{target.of_target}: it was trained with "
                    "training.calibrate=false, by an earlier version, or without labelled validation posts.",
                )
            if self.coverage is not None and not found.confidences:
                raise ModelError(
                    Argument("coverage"),
                    f" needs a confidence, and target {target.name!r} ({target.problem_type}) has none; use ",
                    Argument("sets"),
                    " for an interval.",
                )
            if self.sets is not None:
                self._check_sets(target)

    def _check_sets(self, target: Target) -> None:
        found = target.calibration
        assert found is not None
        assert self.sets is not None
        method = self._method(target)
        if method not in found.scores:
            raise ModelError(
                Argument("sets"),
                f": the model holds no scores of the method {method!r}{target.of_target}; it has: "
                f"{', '.join(found.scores) or 'none'}.",
            )
        if math.isinf(found.limit(method, self.sets)):
            needed = math.ceil(round(self.sets / (1 - self.sets), 9))
            raise ModelError(
                Argument("sets"),
                f" {self.sets:g} needs at least {needed:,} held-out posts, and the model was calibrated on "
                f"{found.samples:,}{target.of_target}; use a lower level or a larger validation split.",
            )

    def _method(self, target: Target) -> str:
        """Return the method for a target: the chosen one where the kind has it, or the kind's own."""
        methods = target.kind.set_methods
        return self.set_method if self.set_method in methods or not methods else methods[0]

    def apply(
        self, target: Target, logits: np.ndarray, predictions: Sequence[TargetPrediction]
    ) -> list[TargetPrediction]:
        """Return the predictions of a target by the rules.

        Args:
            target: A target that :meth:`check` let pass.
            logits: (N, ``logit_width``).
            predictions: Predictions without rules.
        """
        calibration, found = target.calibration, list(predictions)
        assert calibration is not None
        if self.coverage is not None:
            threshold = calibration.threshold(self.coverage) - _ROUNDING
            confident = target.kind.confidence(logits)
            assert confident is not None
            found = [
                replace(one, value=one.value if own >= threshold else None, confidence=float(own))
                for one, own in zip(found, confident, strict=True)
            ]
        if self.sets is not None:
            method = self._method(target)
            sets = target.kind.prediction_sets(logits, method, calibration.limit(method, self.sets))
            found = [replace(one, set=own) for one, own in zip(found, sets, strict=True)]
        return found
