"""The guide's cosine as a classifier of two classes: the yardstick of a label that lies in the relation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.data import Corpus
from clfa.guides import Guide
from clfa.runs.encoders import Encoders
from clfa.runs.guide import split_pairs
from clfa.targets.fields import SINGLE_LABEL
from clfa.targets.single_label import classification_metrics
from clfa.targets.target import label_matrix


def guide_cosine(guide: Guide, corpus: Corpus, encoders: Encoders, splits: Sequence[str]) -> dict[str, Any]:
    """Classify by the cosine of the guide's text and image embedding alone, with a threshold from validation.

    Args:
        guide: The run's guide.
        corpus: The run's data.
        encoders: Encoders with content keys and cache.
        splits: Splits to score; those that the corpus lacks are left out.

    Returns:
        ``{"cosine": {split: scores}}`` with the scores of :func:`cosine_scores`, over the labelled samples with text
        and image; empty unless the corpus has one target of two classes and validation has both.
    """
    target = corpus.targets[0]
    if len(corpus.targets) > 1 or target.problem_type != SINGLE_LABEL or len(target.label_names) != 2:
        return {}
    cosines, labels = _cosines(guide, corpus.splits["validation"], encoders)
    if len(np.unique(labels)) < 2:
        return {}
    threshold, above = fit_threshold(cosines, labels)
    scores = {}
    for name in splits:
        if name in corpus.splits:
            found = _cosines(guide, corpus.splits[name], encoders)
            if len(found[0]):
                scores[name] = cosine_scores(*found, threshold, above)
    return {"cosine": {"threshold": threshold, "class_above": target.label_names[above], **scores}}


def fit_threshold(cosines: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """Return the threshold with the best macro-F1, and the class above it: the one with the higher mean cosine.

    Args:
        cosines: (N,).
        labels: Class indices 0 and 1 (N,), both present.

    Returns:
        Threshold, halfway between two neighbouring cosines (the lowest of equally good ones), and class index.
    """
    above = int(cosines[labels == 1].mean() >= cosines[labels == 0].mean())
    values = np.unique(cosines)
    if len(values) == 1:
        return float(values[0]), above
    cuts = (values[:-1] + values[1:]) / 2
    # Positives above each cut, and all above it, by counting from the sorted cosines.
    positives, others = np.sort(cosines[labels == above]), np.sort(cosines[labels != above])
    tp = len(positives) - np.searchsorted(positives, cuts)
    fp = len(others) - np.searchsorted(others, cuts)
    fn, tn = len(positives) - tp, len(others) - fp
    macro_f1 = (2 * tp / (2 * tp + fp + fn) + 2 * tn / (2 * tn + fp + fn)) / 2
    return float(cuts[int(macro_f1.argmax())]), above


def cosine_scores(cosines: np.ndarray, labels: np.ndarray, threshold: float, above: int) -> dict[str, Any]:
    """Return the scores of the rule "class ``above`` where the cosine is above the threshold".

    Args:
        cosines: (N,), N > 0.
        labels: Class indices 0 and 1 (N,).
        threshold: Result of :func:`fit_threshold`.
        above: Result of :func:`fit_threshold`.

    Returns:
        ``samples``, ``accuracy``, ``macro_f1`` and ``auc`` (area under the ROC curve; ``None`` with one class).
    """
    from sklearn.metrics import roc_auc_score

    predictions = np.where(cosines > threshold, above, 1 - above)
    scores = classification_metrics(labels, predictions, 2)
    both = len(np.unique(labels)) == 2
    return {
        "samples": len(labels),
        "accuracy": scores["accuracy"],
        "macro_f1": scores["macro_f1"],
        "auc": float(roc_auc_score(labels == above, cosines)) if both else None,
    }


def _cosines(guide: Guide, split: Dataset, encoders: Encoders) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines and class indices of the labelled samples with text and image."""
    texts, images = guide.embed_pairs(split_pairs(split, encoders), encoders.cache)
    lengths = np.linalg.norm(texts, axis=1) * np.linalg.norm(images, axis=1)
    labels = label_matrix(split)[:, 0]
    # Embeddings of missing content are zeros.
    present = (lengths > 0) & ~np.isnan(labels)
    cosines = (texts * images).sum(axis=1)[present] / lengths[present]
    return cosines.astype(np.float64), labels[present].astype(int)
