"""How the two or six labels of an MVSA pair become one (Xu and Mao 2017; used by all later work)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MVSA_LABELS = ["negative", "neutral", "positive"]


def merge_modalities(text: str, image: str) -> str | None:
    """One label from the text's and the image's.

    Returns:
        The common label where both agree, the other one where one is neutral, ``None`` for positive against negative.
    """
    if text == image or image == "neutral":
        return text
    return image if text == "neutral" else None


def majority(votes: Sequence[str]) -> str | None:
    """The label more than half of the annotators gave, else ``None``."""
    label, count = Counter(votes).most_common(1)[0]
    return label if 2 * count > len(votes) else None


def merge_annotators(pairs: Sequence[tuple[str, str]]) -> str | None:
    """One label from one ``(text, image)`` pair per annotator: majority per modality first, then the merge.

    Returns:
        ``None`` where a modality has no majority or the two majorities contradict each other.
    """
    text, image = majority([pair[0] for pair in pairs]), majority([pair[1] for pair in pairs])
    return merge_modalities(text, image) if text is not None and image is not None else None
