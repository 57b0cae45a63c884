"""What a target keeps of the held-out posts that its probabilities were calibrated on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clfa.targets.finite import is_finite_number

if TYPE_CHECKING:
    import numpy as np

# Most values that are kept of a sorted list. With more posts, levels are rounded up by less than 0.2 %.
KEPT = 512


@dataclass(frozen=True)
class Calibration:
    """Temperature of a target's outputs, and the sorted values that thresholds are read from.

    Args:
        temperature: Outputs are divided by it before probabilities are computed.
        samples: Number N of held-out posts with a label.
        confidences: Confidence of their predictions, ascending; at most :data:`KEPT` values, see :func:`ranked`. Empty
            for a target without classes.
        scores: Nonconformity of their true labels by method, ascending, of the same form.

    Raises:
        ValueError: If the temperature is not a finite number above 0, the number of samples is none, or another value
            is not finite.
    """

    temperature: float = 1.0
    samples: int = 0
    confidences: tuple[float, ...] = ()
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not (is_finite_number(self.temperature) and self.temperature > 0):
            raise ValueError(f"the temperature is {self.temperature!r}; it must be a finite number above 0")
        if type(self.samples) is not int or self.samples < 0:
            raise ValueError(f"samples is {self.samples!r}; it must be a whole number of 0 or more")
        # JSON has lists.
        object.__setattr__(self, "confidences", _finite("confidences", self.confidences))
        scores = {name: _finite(f"scores of {name}", values) for name, values in self.scores.items()}
        object.__setattr__(self, "scores", scores)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; ``Calibration(**value)`` is the inverse."""
        return {
            "temperature": self.temperature,
            "samples": self.samples,
            "confidences": list(self.confidences),
            "scores": {name: list(values) for name, values in self.scores.items()},
        }

    def threshold(self, coverage: float) -> float:
        """Return the least confidence of the most confident share of the held-out posts.

        Args:
            coverage: The share, above 0 and at most 1.
        """
        left_out = math.floor(round((1 - coverage) * self.samples, 9))
        return -math.inf if coverage >= 1 else value_at(self.confidences, self.samples, left_out + 1)

    def limit(self, method: str, level: float) -> float:
        """Return the largest nonconformity in a prediction set, by split conformal prediction.

        It is the ``ceil((N + 1) level)``-th smallest score of the held-out posts (Vovk et al. 2005; Angelopoulos and
        Bates 2023, section 1); infinite if there are fewer posts.

        Args:
            method: A key of ``scores``.
            level: Probability with which the set has the true label, between 0 and 1.
        """
        return value_at(self.scores[method], self.samples, math.ceil(round((self.samples + 1) * level, 9)))


def _finite(name: str, values: Sequence[Any]) -> tuple[float, ...]:
    found = tuple(values)
    if not all(map(is_finite_number, found)):
        raise ValueError(f"the {name} are not all finite numbers")
    return found


def ranked(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    """Return N values in ascending order; of more than :data:`KEPT`, those at equally spaced ranks and the largest."""
    # Recipes are read without NumPy.
    import numpy as np

    ascending = np.sort(np.asarray(values, np.float64))
    if len(ascending) > KEPT:
        ascending = ascending[[math.ceil((k + 1) * len(ascending) / KEPT) - 1 for k in range(KEPT)]]
    # Rounded up to nine digits, so that a limit is never below the exact one.
    return tuple(float(f"{value * (1 + 1e-8 * np.sign(value)):.9g}") for value in ascending)


def value_at(kept: Sequence[float], samples: int, rank: int) -> float:
    """Return the value of a rank from the result of :func:`ranked`, or the next larger one that was kept.

    Args:
        kept: Values.
        samples: Number of values before some were left out.
        rank: From 1; infinity is returned above ``samples``.
    """
    if rank > samples or not kept:
        return math.inf
    return kept[max(math.ceil(rank * len(kept) / samples) - 1, 0)]
