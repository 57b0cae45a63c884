"""Occlusion: the score without each word, and with each cell of the picture hidden (Zeiler and Fergus 2014)."""

from __future__ import annotations

import numpy as np

from clfa.explaining.explanation import Attribution
from clfa.explaining.probe import GRID, Probe


def occlusion(probe: Probe) -> Attribution:
    """Return how much the score falls without each part; it works with every model and engine.

    Args:
        probe: The post.
    """
    words = regions = None
    if probe.text is not None and probe.classifier.processor.tokenizer is not None:
        without = probe.without_words([[place] for place in range(len(probe.spans))])
        words = [float(score) for score in probe.score - without]
    if probe.has_regions:
        cells = np.eye(GRID * GRID, dtype=bool).reshape(-1, GRID, GRID)
        drops = probe.score - probe.without_cells(list(cells))
        regions = drops.reshape(GRID, GRID).tolist()
    return Attribution(words, regions)
