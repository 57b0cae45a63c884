"""The file shapes of the default label.

Inside, the default label is a target like any other: one class per sample, named ``label``. Files about
nothing else have shapes of their own, which users and their programs know; all of them are made here:

- a model's configuration keeps the classes in ``id2label`` and the weights in ``class_weights``, and no ``targets``;
- a split's part of ``metrics.json`` has the figures themselves, no ``score`` and no ``targets``;
- the Trainer logs ``eval_macro_f1`` and so on, chooses by ``macro_f1`` and logs no loss by target;
- the picture is ``confusion-SPLIT.png``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from clfa.targets.fields import LABEL
from clfa.targets.scores import figures_of, flat_metrics, score, target_reports
from clfa.targets.target import Target


def default_label(label_names: Sequence[str], class_weights: Sequence[float] | None = None) -> Target:
    """The default label with these classes.

    Args:
        label_names: Class names in index order.
        class_weights: Weight of each class in the loss.

    Raises:
        DataError: Class names that cannot be.
    """
    weights = None if class_weights is None else tuple(class_weights)
    return Target(LABEL, label_names=tuple(label_names), class_weights=weights)


def is_default_label(targets: Sequence[Target]) -> bool:
    """Whether the default label is all there is to predict."""
    return len(targets) == 1 and targets[0].is_default


def selection_metric(targets: Sequence[Target]) -> str:
    """The logged metric that the best epoch is chosen by; more is better."""
    return targets[0].kind.headline if is_default_label(targets) else "score"


def logged_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """Metrics for logs and tables: of the default label its figures, else those of :func:`flat_metrics`.

    Args:
        targets: Of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).
    """
    if is_default_label(targets):
        return figures_of(targets[0].kind.report(labels, logits))
    return flat_metrics(targets, labels, logits)


def logged_losses(targets: Sequence[Target], losses: Mapping[str, Any]) -> dict[str, Any]:
    """Losses of the targets by the name they are logged under.

    Args:
        targets: Of the model.
        losses: By target name.
    """
    return {} if is_default_label(targets) else {f"loss_target_{name}": loss for name, loss in losses.items()}


def split_metrics(targets: Sequence[Target], labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """What ``metrics.json`` says about one split.

    Args:
        targets: Of the model.
        labels: (N, sum of widths), NaN where missing.
        logits: (N, sum of logit widths).

    Returns:
        Of the default label its report; else ``samples``, ``score`` and ``targets``: reports by target name.
    """
    reports = target_reports(targets, labels, logits)
    if is_default_label(targets):
        return {key: value for key, value in reports[targets[0].name].items() if key != "problem_type"}
    return {"samples": len(labels), "score": score(reports), "targets": reports}


def reports_of(targets: Sequence[Target], metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The targets' reports in what :func:`split_metrics` gave, by target name.

    Args:
        targets: Of the model.
        metrics: Of one split.
    """
    reports: Mapping[str, Mapping[str, Any]] = metrics.get("targets", {targets[0].name: metrics})
    return reports


def plot_name(targets: Sequence[Target], target: Target, split: str) -> str:
    """File name of a target's picture.

    Args:
        targets: Of the model.
        target: One of them.
        split: Of the data.
    """
    own = "" if is_default_label(targets) else f"-{target.name}"
    return f"{target.kind.plot_name}-{split}{own}.png"


def plot_title(targets: Sequence[Target], target: Target, run: str, split: str) -> str:
    """Title of a target's picture.

    Args:
        targets: Of the model.
        target: One of them.
        run: Name of the run.
        split: Of the data.
    """
    return f"{run}: {split} split" + ("" if is_default_label(targets) else f", {target.name}")
