"""Classification metrics, by scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support


def classification_metrics(labels: np.ndarray, predictions: np.ndarray, num_labels: int) -> dict[str, float]:
    """Headline figures, as fractions.

    Args:
        labels: True class indices (N,).
        predictions: Predicted class indices (N,).
        num_labels: Number of classes C; averages run over all of them.

    Returns:
        ``accuracy``, ``macro_f1``, ``weighted_f1`` and, with two classes, ``binary_f1``, ``precision`` and ``recall``
        of class 1 (the sarcastic class in MMSD, as published tables report it).
    """
    classes = list(range(num_labels))
    metrics = {
        "accuracy": float(accuracy_score(labels, predictions)),
        "macro_f1": float(f1_score(labels, predictions, labels=classes, average="macro", zero_division=0)),
        "weighted_f1": float(f1_score(labels, predictions, labels=classes, average="weighted", zero_division=0)),
    }
    if num_labels == 2:
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels, predictions, labels=[1], average=None, zero_division=0
        )
        metrics |= {"binary_f1": float(f1[0]), "precision": float(precision[0]), "recall": float(recall[0])}
    return metrics


def classification_report(labels: np.ndarray, predictions: np.ndarray, label_names: list[str]) -> dict[str, Any]:
    """:func:`classification_metrics` with support, per-class figures and the confusion matrix (rows: true class)."""
    classes = list(range(len(label_names)))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predictions, labels=classes, average=None, zero_division=0
    )
    return {
        "samples": len(labels),
        **classification_metrics(labels, predictions, len(label_names)),
        "classes": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(label_names)
        },
        "confusion_matrix": confusion_matrix(labels, predictions, labels=classes).tolist(),
    }
