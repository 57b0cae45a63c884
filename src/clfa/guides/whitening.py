"""PCA whitening of features; without it the fitted guide collapses to chance."""

from __future__ import annotations

from collections.abc import Iterable
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
        return cls._of(mean, deviations, directions, min(components, len(x) - 1), epsilon)

    @classmethod
    def fit_chunks(cls, chunks: Iterable[np.ndarray], components: int, epsilon: float = 1e-6) -> Whitening:
        """Fit the map on features in chunks, each read once; the memory does not depend on their number.

        Up to signs and rounding the result is that of :meth:`fit`: it comes from the eigenvectors of the covariance,
        whose sums are float64 and relative to the first chunk's mean.

        Args:
            chunks: Features (n, D) each.
            components: As in :meth:`fit`.
            epsilon: As in :meth:`fit`.

        Raises:
            ValueError: When there are fewer than two rows.
        """
        count = 0
        for chunk in chunks:
            if not count:
                origin = chunk.astype(np.float64).mean(axis=0)
                sums, products = np.zeros(len(origin)), np.zeros((len(origin), len(origin)))
            x = chunk - origin
            count += len(x)
            sums += x.sum(axis=0)
            products += x.T @ x
        if count < 2:
            raise ValueError("whitening needs at least two samples.")
        variances, vectors = np.linalg.eigh((products - np.outer(sums, sums / count)) / (count - 1))
        deviations = np.sqrt(np.maximum(variances[::-1], 0))
        return cls._of(origin + sums / count, deviations, vectors.T[::-1], min(components, count - 1), epsilon)

    @classmethod
    def _of(
        cls, mean: np.ndarray, deviations: np.ndarray, directions: np.ndarray, components: int, epsilon: float
    ) -> Whitening:
        """Return the map of ``directions`` (K, D) in order of their ``deviations`` (K,), from the largest."""
        keep = min(components, int((deviations**2 > epsilon * deviations[0] ** 2).sum()))
        # Contiguous, like a loaded map, so that both give the same rounding.
        scaled = np.ascontiguousarray((directions[:keep] / deviations[:keep, None]).T, np.float32)
        return cls(mean.astype(np.float32), scaled)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Whiten features (N, D) -> (N, K)."""
        return (features - self.mean) @ self.map
