"""Scores over the number of training rows: one curve for rows of an experiment that differ only in it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from clfa.experiments.plan import plan_axis
from clfa.experiments.scores import factor
from clfa.report.statistics import Mean, summarise
from clfa.report.study import Study

# Settings that limit the training rows, and what the horizontal axis is called.
AXES = {"data.train_limit": "training rows", "data.labelled_limit": "labelled training rows"}


@dataclass(frozen=True)
class SizeCurve:
    """The curve of one family of rows.

    Args:
        name: Common name of the rows, without the label of the size.
        axis: Name of the horizontal axis.
        points: Scores by number of rows, ascending, scaled as shown.
    """

    name: str
    axis: str
    points: dict[int, Mean]


def size_curves(study: Study, metric: str) -> list[SizeCurve]:
    """Return the curves of the rows that a matrix axis of :data:`AXES` expands.

    Args:
        study: The experiment.
        metric: Score to show.
    """
    return [curve for axis in AXES for curve in _curves(study, axis, metric)]


def _curves(study: Study, axis: str, metric: str) -> list[SizeCurve]:
    column, frame = f"config.{axis}", study.finished
    if column not in frame:
        return []
    families: dict[str, dict[int, Mean]] = {}
    for name, family in plan_axis(study.experiment, axis).items():
        scores = study.units(study.scores(name, metric))
        if scores:
            runs = frame[frame["row"] == name]
            limit, whole = runs[column].iloc[0], int(runs["data.samples.train"].max())
            size = whole if pd.isna(limit) else min(int(limit), whole)
            scaled = [factor(metric) * score for score in scores]
            families.setdefault(family, {})[size] = summarise(scaled, study.ratio_of(name))
    return [
        SizeCurve(family, AXES[axis], dict(sorted(points.items())))
        for family, points in families.items()
        if len(points) > 1
    ]
