"""APS: adaptive prediction sets (Romano, Sesia and Candes 2020, arXiv:2006.02544), without randomisation."""

from __future__ import annotations

import numpy as np


def aps(probabilities: np.ndarray) -> np.ndarray:
    """Return the sum of the probabilities of a class and of all more probable ones: larger sets for harder posts.

    Args:
        probabilities: (N, C).
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums, axis=1)
    return found
