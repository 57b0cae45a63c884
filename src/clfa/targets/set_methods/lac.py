"""LAC: least ambiguous classifier (Sadinle, Lei and Wasserman 2019, arXiv:1609.00451)."""

from __future__ import annotations

import numpy as np


def lac(probabilities: np.ndarray) -> np.ndarray:
    """Return ``1 - p``: the smallest sets on average.

    Args:
        probabilities: (N, C).
    """
    return 1 - probabilities
