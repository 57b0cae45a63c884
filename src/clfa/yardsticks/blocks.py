"""Blocks of features for linear models. The rows of a block have a length of about 1, so that blocks can be joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from clfa.processing.tfidf import tfidf_vectorizers


def tfidf(texts: Mapping[str, Sequence[str]]) -> dict[str, csr_matrix]:
    """Return TF-IDF weights of words and characters, see :func:`clfa.processing.tfidf.tfidf_vectorizers`.

    Each of the two parts of a row has length 1, or 0 without a known term.

    Args:
        texts: Texts by split; the vocabulary is that of ``train``.

    Returns:
        (N, terms) float32 by split.
    """
    parts: dict[str, list[csr_matrix]] = {name: [] for name in texts}
    for vectorizer in tfidf_vectorizers():
        try:
            vectorizer.fit(texts["train"])
        except ValueError:
            # No term is in two texts.
            continue
        for name, own in texts.items():
            parts[name].append(vectorizer.transform(own))
    empty = {name: csr_matrix((len(own), 1), dtype=np.float32) for name, own in texts.items()}
    return {name: hstack(own, format="csr") if own else empty[name] for name, own in parts.items()}


@dataclass(frozen=True)
class Scale:
    """Standardisation of a block to mean 0 and variance 1 / D.

    Args:
        mean: (D,) float64.
        length: Standard deviation times the root of D, by column (D,) float64.
    """

    mean: np.ndarray
    length: np.ndarray

    @classmethod
    def fit(cls, features: np.ndarray) -> Scale:
        """Return the scale of features (N, D); rows of NaN are missing and do not count."""
        present = features[~np.isnan(features).any(axis=1)].astype(np.float64)
        width = features.shape[1]
        mean = present.mean(axis=0) if len(present) else np.zeros(width)
        sd = present.std(axis=0) if len(present) else np.ones(width)
        return cls(mean, np.where(sd > 1e-6, sd, 1.0) * np.sqrt(width))

    def apply(self, features: np.ndarray) -> np.ndarray:
        """Return standardised features (N, D) float32; missing rows are 0, which is the mean."""
        return np.nan_to_num((features - self.mean) / self.length).astype(np.float32)


def joined(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return blocks side by side, by split; sparse if one of them is sparse."""
    if all(isinstance(block["train"], np.ndarray) for block in blocks):
        return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in blocks[0]}
    return {name: hstack([csr_matrix(block[name]) for block in blocks], format="csr") for name in blocks[0]}
