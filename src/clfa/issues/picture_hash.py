"""Perceptual hash of pictures: equal or nearly so for copies in another size, quality or brightness."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy.fft import dctn

from clfa.data.images import ImageSource, load_image
from clfa.errors import ImageError

BITS = 64
# Largest number of different bits of two copies; docs/data-issues.md has the distances of copies and of other pictures.
THRESHOLD = 8
_SIDE = 32
# Grey levels; the hash of a plain area would be that of its noise.
_MIN_CONTRAST = 4.0


def picture_hash(image: ImageSource) -> np.ndarray | None:
    """Return the hash of a picture (64,) bool; ``None`` for a plain area or an unreadable picture.

    The bits say which of the 8 x 8 lowest frequencies (DCT-II of 32 x 32 grey pixels) are above their median (pHash,
    Zauner 2010).
    """
    try:
        picture = load_image(image)
    except ImageError:
        return None
    grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    if grey.std() < _MIN_CONTRAST:
        return None
    lowest = dctn(grey, norm="ortho")[:8, :8].ravel()
    # The first one is the brightness.
    return np.asarray(lowest > np.median(lowest[1:]))


def near_hashes(hashes: np.ndarray, threshold: int = THRESHOLD) -> list[tuple[int, int]]:
    """Return the pairs (i < j) of hashes that differ in at most ``threshold`` bits.

    Args:
        hashes: (N, 64) bool.
        threshold: Number of bits.
    """
    signs = np.where(hashes, 1, -1).astype(np.float32)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(signs), 1024):
        block = signs[start : start + 1024]
        # Bits in common minus bits that differ.
        products = block @ signs[start:].T
        rows, columns = np.nonzero(products >= BITS - 2 * threshold)
        later = columns > rows
        pairs += zip((rows[later] + start).tolist(), (columns[later] + start).tolist(), strict=True)
    return pairs
