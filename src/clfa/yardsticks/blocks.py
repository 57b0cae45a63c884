"""Blocks of features for linear models. The rows of a block have a length of about 1, so that blocks can be joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def standardised(features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return features with mean 0 and variance 1 / D in the training split; missing rows are 0, which is the mean.

    Args:
        features: (N, D) by split, a row of NaN where missing.

    Returns:
        (N, D) float32 by split.
    """
    train = features["train"]
    present = train[~np.isnan(train).any(axis=1)].astype(np.float64)
    mean = present.mean(axis=0) if len(present) else np.zeros(train.shape[1])
    sd = present.std(axis=0) if len(present) else np.ones(train.shape[1])
    scale = np.where(sd > 1e-6, sd, 1.0) * np.sqrt(train.shape[1])
    return {name: np.nan_to_num((own - mean) / scale).astype(np.float32) for name, own in features.items()}


def joined(blocks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return blocks side by side, by split; sparse if one of them is sparse."""
    if all(isinstance(block["train"], np.ndarray) for block in blocks):
        return {name: np.concatenate([block[name] for block in blocks], axis=1) for name in blocks[0]}
    return {name: hstack([csr_matrix(block[name]) for block in blocks], format="csr") for name in blocks[0]}
