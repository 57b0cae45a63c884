"""Merging of the two or six labels of an MVSA pair into one (Xu and Mao 2017; used by all later work)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MVSA_LABELS = ["negative", "neutral", "positive"]


def merge_modalities(text: str, image: str) -> str | None:
    """Merge the labels of text and image.

    Returns:
        The common label if both are equal; the other label if one is neutral; ``None`` for positive and negative.
    """
    if text == image or image == "neutral":
        return text
    return image if text == "neutral" else None


def majority(votes: Sequence[str]) -> str | None:
    """Return the label of more than half of the annotators, or ``None``."""
    label, count = Counter(votes).most_common(1)[0]
    return label if 2 * count > len(votes) else None


def merge_annotators(pairs: Sequence[tuple[str, str]]) -> str | None:
    """Merge the ``(text, image)`` labels of all annotators: majority by modality, then merge of the modalities.

    Returns:
        The label; ``None`` if a modality has no majority or the majorities contradict each other.
    """
    text, image = majority([pair[0] for pair in pairs]), majority([pair[1] for pair in pairs])
    return merge_modalities(text, image) if text is not None and image is not None else None
