"""Pooled features of the frozen encoders of a recipe."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clfa.issues.posts import Posts
from clfa.runs.encoders import Encoders
from clfa.store import ABSENT_KEY


def pooled_features(posts: Posts, texts: Sequence[str], encoders: Encoders) -> np.ndarray:
    """Return the pooled features of text and image side by side (N, sum of widths) float32; zeros where one is missing.

    Args:
        posts: N samples.
        texts: The texts to encode, of which some may be empty.
        encoders: The encoders, of which at least one; features are cached on disk.

    Raises:
        ImageError: If an image cannot be read; the message names it.
    """
    parts = []
    for encoder, column in ((encoders.text, "text"), (encoders.image, "image")):
        if encoder is not None:
            contents = texts if column == "text" else posts.column("image")
            own = [encoder.key(content) if content else ABSENT_KEY for content in contents]
            encoder.ensure_pooled(contents, own)
            present = [key for key in own if key]
            part = np.zeros((len(own), encoder.width), np.float32)
            part[[bool(key) for key in own]] = encoder.pooled_matrix(present)
            parts.append(part)
    return np.concatenate(parts, axis=1)
