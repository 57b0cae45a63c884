"""What a run writes about a split when it predicts other targets than the one label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.evaluation.inference import Inference
from clfa.evaluation.plots import plot_confusion_matrix
from clfa.evaluation.target_metrics import score, target_reports
from clfa.evaluation.target_plots import plot_class_f1, plot_scatter
from clfa.evaluation.target_predictions import TargetPrediction, predict_targets, target_probabilities, target_values
from clfa.evaluation.thresholds import best_thresholds
from clfa.files import write_jsonl
from clfa.targets.target import MULTI_LABEL, REGRESSION, Target, label_matrix, label_slices, logit_slices


def report_targets(
    targets: Sequence[Target], inference: Inference, split: Dataset, folder: Any, name: str, title: str
) -> dict[str, Any]:
    """Metrics of a labelled split, its predictions file, and one picture per target.

    Args:
        targets: Of the model, with what was fitted to the training data.
        inference: Of the split.
        split: Rows in the schema.
        folder: The :class:`clfa.runs.run_folder.RunFolder` to write to.
        name: Of the split.
        title: Of the pictures.

    Returns:
        ``samples``, ``score`` and ``targets``: figures by target name.
    """
    labels = label_matrix(split)
    reports = target_reports(targets, labels, inference.logits)
    write_jsonl(folder.predictions(name), _rows(targets, split, labels, inference.logits))
    for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True):
        if reports[target.name]["samples"]:
            path = folder.target_plot(name, target)
            _plot(target, labels[:, own], inference.logits[:, outputs], reports[target.name], path, f"{title}: {name}")
    return {"samples": len(split), "score": score(reports), "targets": reports}


def prediction_record(predictions: dict[str, TargetPrediction]) -> dict[str, Any]:
    """The JSON form of one post's predictions: flat for one target, under ``targets`` for several.

    Args:
        predictions: By target name.
    """
    if len(predictions) == 1:
        return next(iter(predictions.values())).to_dict()
    return {"targets": {name: prediction.to_dict() for name, prediction in predictions.items()}}


def tuned(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> list[Target]:
    """Targets with the multi-label ones' thresholds chosen on these samples, which must be the validation split's.

    Args:
        targets: Of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    found = []
    for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True):
        if target.problem_type == MULTI_LABEL:
            probabilities = target_probabilities(target, logits[:, outputs])
            target = replace(target, thresholds=tuple(best_thresholds(labels[:, own], probabilities)))
        found.append(target)
    return found


def _rows(targets: Sequence[Target], split: Dataset, labels: np.ndarray, logits: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for sample_id, vector, predictions in zip(split["id"][:], labels, predict_targets(targets, logits), strict=True):
        truth = {target.name: target.describe(vector[own]) for target, own in label_slices(targets)}
        record = prediction_record(predictions)
        if len(targets) == 1:
            rows.append({"id": sample_id, "label": truth[targets[0].name], **record})
        else:
            named = {name: {"label": truth[name], **values} for name, values in record["targets"].items()}
            rows.append({"id": sample_id, "targets": named})
    return rows


def _plot(
    target: Target, labels: np.ndarray, logits: np.ndarray, report: dict[str, Any], path: Path, title: str
) -> None:
    title = f"{title} split, {target.name}"
    if target.problem_type == MULTI_LABEL:
        plot_class_f1(report["classes"], path, title)
    elif target.problem_type == REGRESSION:
        present = ~np.isnan(labels[:, 0])
        plot_scatter(labels[present, 0], target_values(target, logits[present])[:, 0], path, title)
    else:
        plot_confusion_matrix(report["confusion_matrix"], list(target.label_names), path, title)
