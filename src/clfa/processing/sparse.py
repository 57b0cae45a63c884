"""Conversion of sparse attention biases to dense arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def dense(triples: Sequence[np.ndarray], rows: int, columns: int) -> np.ndarray:
    """Convert the triples of B samples to one array; values at equal positions are added.

    Args:
        triples: Row, column, value (pairs, 3) of each sample.
        rows: Number of query tokens of the padded batch.
        columns: Number of key tokens of the padded batch.

    Returns:
        (B, rows, columns) in float32.

    Example:
        >>> dense([np.array([[0, 1, 0.5]], np.float32), np.empty((0, 3), np.float32)], 1, 2).tolist()
        [[[0.0, 0.5]], [[0.0, 0.0]]]
    """
    bias = np.zeros((len(triples), rows, columns), np.float32)
    for number, sample in enumerate(triples):
        np.add.at(bias[number], (sample[:, 0].astype(int), sample[:, 1].astype(int)), sample[:, 2])
    return bias
