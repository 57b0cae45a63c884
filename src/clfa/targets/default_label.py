"""File and log formats of the default label.

In the package, the default label is an ordinary target: one class per sample, with the name ``label``. If it is the
only target, files and logs have a simpler form. All of these forms are defined here:

- a model's configuration stores the classes in ``id2label``, the weights in ``class_weights`` and the calibration in
  ``calibration``, without ``targets``;
- a split's part of ``metrics.json`` has the figures themselves, without ``score`` and ``targets``;
- the Trainer logs ``eval_macro_f1`` and so on, selects by ``macro_f1`` and logs no losses by target;
- the plots are ``confusion-SPLIT.png`` and ``reliability-SPLIT.png``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.targets.fields import LABEL
from clfa.targets.reliability import calibration_report
from clfa.targets.scores import figures_of, flat_metrics, score, target_reports
from clfa.targets.target import Target, label_slices, logit_slices


def default_label(
    label_names: Sequence[str],
    class_weights: Sequence[float] | None = None,
    label_types: Sequence[str] | None = None,
    calibration: Mapping[str, Any] | None = None,
) -> Target:
    """Return the default label with the given classes.

    Args:
        label_names: Class names in index order.
        class_weights: Weight of each class in the loss.
        label_types: Type of each class in the training table; ``None`` if all are texts.
        calibration: Result of :meth:`clfa.targets.calibration.Calibration.to_dict`.

    Raises:
        DataError: If the class names are not valid.
    """
    weights = None if class_weights is None else tuple(class_weights)
    types = None if label_types is None else tuple(label_types)
    return Target(
        LABEL,
        label_names=tuple(label_names),
        class_weights=weights,
        label_types=types,
        calibration=calibration,  # type: ignore[arg-type]
    )


def is_default_label(targets: Sequence[Target]) -> bool:
    """Return whether the default label is the only target."""
    return len(targets) == 1 and targets[0].is_default


def selection_metric(targets: Sequence[Target]) -> str:
    """Return the name of the logged metric for model selection; higher is better."""
    return targets[0].kind.headline if is_default_label(targets) else "score"


def logged_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Return metrics for logs and tables: the default label's figures, or the result of :func:`flat_metrics`.

    Args:
        targets: Targets of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    if is_default_label(targets):
        return figures_of(targets[0].kind.report(labels, logits))
    return flat_metrics(targets, labels, logits)


def logged_losses(targets: Sequence[Target], losses: Mapping[str, Any]) -> dict[str, Any]:
    """Return the losses of the targets by their names in the log.

    Args:
        targets: Targets of the model.
        losses: Losses by target name.
    """
    return {} if is_default_label(targets) else {f"loss_target_{name}": loss for name, loss in losses.items()}


def split_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """Return the content of ``metrics.json`` for one split.

    Args:
        targets: Targets of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).

    Returns:
        The report of the default label, or ``samples``, ``score`` and ``targets`` (reports by target name); each with
        ``calibration`` (:func:`clfa.targets.reliability.calibration_report`), if the target has class probabilities.
    """
    reports = target_reports(targets, labels, logits)
    for (target, own), (_, outputs) in zip(label_slices(targets), logit_slices(targets), strict=True):
        calibration = calibration_report(target, labels[:, own], logits[:, outputs])
        if calibration is not None:
            reports[target.name]["calibration"] = calibration
    if is_default_label(targets):
        return {key: value for key, value in reports[targets[0].name].items() if key != "problem_type"}
    return {"samples": len(labels), "score": score(reports), "targets": reports}


def reports_of(targets: Sequence[Target], metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the reports by target name from the result of :func:`split_metrics`.

    Args:
        targets: Targets of the model.
        metrics: Metrics of one split.
    """
    return metrics.get("targets", {targets[0].name: metrics})


def plot_name(targets: Sequence[Target], target: Target, split: str) -> str:
    """Return the file name of a target's plot.

    Args:
        targets: Targets of the model.
        target: One of them.
        split: Name of the split.
    """
    return _plot_file(target.kind.plot_name, targets, target, split)


def confidence_plot_name(targets: Sequence[Target], target: Target, split: str) -> str:
    """Return the file name of the plot of a target's calibration.

    Args:
        targets: Targets of the model.
        target: One of them.
        split: Name of the split.
    """
    return _plot_file("reliability", targets, target, split)


def _plot_file(plot: str, targets: Sequence[Target], target: Target, split: str) -> str:
    own = "" if is_default_label(targets) else f"-{target.name}"
    return f"{plot}-{split}{own}.png"


def plot_title(targets: Sequence[Target], target: Target, run: str, split: str) -> str:
    """Return the title of a target's plot.

    Args:
        targets: Targets of the model.
        target: One of them.
        run: Name of the run.
        split: Name of the split.
    """
    return f"{run}: {split} split" + ("" if is_default_label(targets) else f", {target.name}")
