"""Text and image students in two dimensions, before and after a training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from clfa.errors import DataError


@dataclass(frozen=True)
class Projection:
    """Students of one moment in the plane.

    Args:
        text: (n, 2).
        image: (n, 2), row i of the same sample.
        explained: Share of the variance that the plane holds.
        distance: Mean distance of a text and its own picture on the unit sphere, in all dimensions.
        other_distance: Mean distance of a text and the other samples' pictures.
    """

    text: np.ndarray
    image: np.ndarray
    explained: float
    distance: float
    other_distance: float


def project(text: np.ndarray, image: np.ndarray) -> Projection:
    """Principal components of texts and pictures together.

    Args:
        text: (n, D), n > 1.
        image: (n, D).
    """
    points = np.concatenate([text, image]).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, strengths, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    variances = strengths**2
    own = np.linalg.norm(points[: len(text)] - points[len(text) :], axis=1)
    # Without a loop over pairs: squared distances of all texts to all pictures.
    squares = (points**2).sum(axis=1)
    products = points[: len(text)] @ points[len(text) :].T
    distances = np.sqrt(np.maximum(squares[: len(text), None] + squares[None, len(text) :] - 2 * products, 0))
    others = (distances.sum() - np.trace(distances)) / (len(text) * (len(text) - 1))
    return Projection(
        plane[: len(text)],
        plane[len(text) :],
        float(variances[:2].sum() / max(variances.sum(), 1e-30)),
        float(own.mean()),
        float(others),
    )


def read_projections(path: Path) -> tuple[Projection, Projection] | None:
    """Before and after, from ``alignment.safetensors``; ``None`` of a single sample.

    Raises:
        DataError: When the file cannot be read.
    """
    try:
        arrays = load_file(path)
        moments = [(arrays[f"text_{moment}"], arrays[f"image_{moment}"]) for moment in ("before", "after")]
    except (SafetensorError, KeyError, OSError) as error:
        raise DataError(f"{path} holds no alignment of a run: {error}") from error
    if len(moments[0][0]) < 2:
        return None
    return project(*moments[0]), project(*moments[1])
