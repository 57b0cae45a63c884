"""Quality of a guide, measured by text-to-image retrieval."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

# A useful guide ranks half of the own images within this fraction of the candidates (chance: 0.4 of them).
NEAR_CHANCE = 0.4
# Probability that a guide which just does is reported as near chance.
_ERROR = 0.05


def retrieval_ranks(text_embeds: np.ndarray, image_embeds: np.ndarray) -> np.ndarray:
    """Return the rank of each text's own image by cosine similarity; 1 is the best.

    Args:
        text_embeds: (N, D).
        image_embeds: (N, D); row i belongs to the same sample as row i of ``text_embeds``.

    Returns:
        (N,) float. Equally similar images share their mean rank, so that a collapsed guide ranks at chance.
    """

    def normalise(x: np.ndarray) -> np.ndarray:
        return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

    texts, images = normalise(text_embeds.astype(np.float64)), normalise(image_embeds.astype(np.float64))
    ranks = np.empty(len(texts))
    for start in range(0, len(texts), 1024):
        similarity = texts[start : start + 1024] @ images.T
        own = similarity[np.arange(len(similarity)), start + np.arange(len(similarity))][:, None]
        tolerance = 1e-12
        better = (similarity > own + tolerance).sum(axis=1)
        equal = (np.abs(similarity - own) <= tolerance).sum(axis=1)
        ranks[start : start + 1024] = better + (equal + 1) / 2
    return ranks


@dataclass(frozen=True)
class RetrievalReport:
    """Text-to-image retrieval on N held-out pairs.

    Args:
        candidates: N.
        rank1: Fraction of texts whose own image ranks first; chance is 1/N.
        rank10: Fraction of texts whose own image is among the first ten.
        median_rank: Median rank of the own image; chance is (N + 1) / 2.
        near_chance: Whether the ranks rule out a useful guide, by a sign test; see :func:`is_near_chance`.
    """

    candidates: int
    rank1: float
    rank10: float
    median_rank: float
    near_chance: bool = False

    def to_dict(self) -> dict[str, float]:
        """Return the fields with the chance level, for JSON."""
        return {**asdict(self), "chance_median_rank": (self.candidates + 1) / 2}

    def __str__(self) -> str:
        n = self.candidates
        return (
            f"text-to-image retrieval among {n}: rank 1 {self.rank1:.1%} (chance {1 / n:.1%}), "
            f"rank 10 {self.rank10:.1%}, median rank {self.median_rank:.0f} (chance {(n + 1) / 2:.0f})"
        )


def retrieval_report(text_embeds: np.ndarray, image_embeds: np.ndarray) -> RetrievalReport:
    """Summarise :func:`retrieval_ranks`.

    Args:
        text_embeds: (N, D), N >= 1.
        image_embeds: (N, D).

    Raises:
        ValueError: When there is no pair.
    """
    if not len(text_embeds):
        raise ValueError("retrieval needs at least one held-out pair.")
    ranks = retrieval_ranks(text_embeds, image_embeds)
    return RetrievalReport(
        len(ranks),
        float((ranks <= 1).mean()),
        float((ranks <= 10).mean()),
        float(np.median(ranks)),
        is_near_chance(ranks),
    )


def is_near_chance(ranks: np.ndarray) -> bool:
    """Return whether ranks rule out a guide that ranks half of the own images within 40 % of the candidates.

    A few pairs cannot rule it out: a guide at chance is recognised by about 70 pairs in half of the cases. One that
    finds all images equally similar is recognised by any two.

    Args:
        ranks: Ranks of the own images among as many candidates (N,), N >= 1.
    """
    from scipy.special import bdtr

    n = len(ranks)
    if n > 1 and np.ptp(ranks) == 0 and ranks[0] == (n + 1) / 2:
        return True
    return bool(bdtr(int((ranks <= NEAR_CHANCE * n).sum()), n, 0.5) < _ERROR)
