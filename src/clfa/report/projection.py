"""Projection of text and image students to two dimensions, before and after training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from clfa.errors import DataError


@dataclass(frozen=True)
class Projection:
    """Students in the plane, before or after training.

    Args:
        text: Text students (n, 2).
        image: Image students (n, 2); row i belongs to the same sample.
        explained: Share of the variance explained by the plane.
        distance: Mean distance of a text and its own image on the unit sphere, in all dimensions.
        other_distance: Mean distance of a text and the images of the other samples.
    """

    text: np.ndarray
    image: np.ndarray
    explained: float
    distance: float
    other_distance: float


def project(text: np.ndarray, image: np.ndarray) -> Projection:
    """Project to the first two principal components of texts and images together.

    Args:
        text: Text students (n, D), n > 1.
        image: Image students (n, D).
    """
    points = np.concatenate([text, image]).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, strengths, axes = np.linalg.svd(centred, full_matrices=False)
    plane = centred @ axes[:2].T
    variances = strengths**2
    own = np.linalg.norm(points[: len(text)] - points[len(text) :], axis=1)
    # Squared distances of all texts to all images, without a loop over pairs.
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
    """Read the students before and after training from ``alignment.safetensors`` and project them.

    Returns:
        The projections before and after training; ``None`` if there is only one sample.

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
