"""Metrics, predictions file and plots of a split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from clfa.evaluation.inference import Inference
from clfa.evaluation.plots import plot_confidence
from clfa.figures import never_fatal
from clfa.files import write_jsonl
from clfa.targets.default_label import confidence_plot_name, plot_name, plot_title, reports_of, split_metrics
from clfa.targets.prediction import predict_targets, prediction_record
from clfa.targets.target import Target, label_matrix, label_slices, logit_slices


def report_targets(
    targets: Sequence[Target], inference: Inference, split: Dataset, folder: Any, name: str, title: str
) -> dict[str, Any]:
    """Return the metrics of a labelled split. Write its predictions file and the plots of each target.

    Args:
        targets: Targets of the model, with the values fitted to the training data.
        inference: Model outputs for the split.
        split: Rows in the schema.
        folder: The :class:`clfa.runs.run_folder.RunFolder` to write to.
        name: Name of the split.
        title: Title of the plots: the name of the run.

    Returns:
        As :func:`clfa.targets.default_label.split_metrics`.
    """
    labels = label_matrix(split)
    metrics = split_metrics(targets, labels, inference.logits)
    reports = reports_of(targets, metrics)
    write_jsonl(folder.predictions(name), _rows(targets, split, labels, inference.logits))
    for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True):
        present = ~np.isnan(labels[:, own]).any(axis=1)
        if present.any():
            path = folder.path / plot_name(targets, target, name)
            # Problem types of plugins may draw in other ways.
            with never_fatal(path):
                target.kind.plot(
                    labels[present, own],
                    inference.logits[present, outputs],
                    reports[target.name],
                    path,
                    plot_title(targets, target, title, name),
                )
            if "calibration" in reports[target.name]:
                path = folder.path / confidence_plot_name(targets, target, name)
                plot_confidence(reports[target.name]["calibration"], path, plot_title(targets, target, title, name))
    return metrics


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
