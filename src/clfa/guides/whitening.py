"""PCA whitening of features; without it the fitted guide collapses to chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Whitening:
    """An affine map to uncorrelated components of unit variance.

    Args:
        mean: Mean of the features (D,).
        map: The K leading principal directions, each divided by its standard deviation (D, K).
    """

    mean: np.ndarray
    map: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray, components: int, epsilon: float = 1e-6) -> Whitening:
        """Fit the map on features.

        Args:
            features: (N, D), N >= 2.
            components: Largest number of directions to keep; at most N - 1 exist.
            epsilon: Directions with less than this fraction of the largest variance are dropped, because whitening
                would amplify noise.

        Raises:
            ValueError: When there are fewer than two rows.
        """
        if len(features) < 2:
            raise ValueError("whitening needs at least two samples.")
        x = features.astype(np.float64)
        mean = x.mean(axis=0)
        _, singular, directions = np.linalg.svd(x - mean, full_matrices=False)
        deviations = singular / np.sqrt(len(x) - 1)
        keep = min(components, len(x) - 1, int((deviations**2 > epsilon * deviations[0] ** 2).sum()))
        # Contiguous, like a loaded map, so that both give the same rounding.
        scaled = np.ascontiguousarray((directions[:keep] / deviations[:keep, None]).T, np.float32)
        return cls(mean.astype(np.float32), scaled)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Whiten features (N, D) -> (N, K)."""
        return (features - self.mean) @ self.map
