"""Yardsticks in a report: their scores, and the rows of the experiment against the best of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from clfa.experiments.scores import factor, lower_is_better
from clfa.report.statistics import summarise
from clfa.report.study import Study
from clfa.report.tables import ComparisonRow, HeadlineRow, tested

GROUP = "yardsticks"
_PREFIX = "yardsticks."

Scores = dict[tuple[int | None, int], float]


@dataclass(frozen=True)
class YardstickFindings:
    """Yardsticks of an experiment.

    Args:
        rows: Their rows of the headline table.
        best: The one with the best mean of the tested metric on the validation split; ``None`` without yardsticks.
        compared: Every row of the experiment against it, on the scored split.
        not_above: The rows whose mean on the validation split is not better than its.
    """

    rows: list[HeadlineRow] = field(default_factory=list)
    best: str | None = None
    compared: list[ComparisonRow] = field(default_factory=list)
    not_above: list[str] = field(default_factory=list)


def yardstick_findings(study: Study) -> YardstickFindings:
    """Compute the yardsticks' part of a report from the results of the runs.

    A yardstick does not depend on the seed, but on the encoders and the number of training posts. Its scores in the
    headline table are those of the first row that has it; a row is compared with those of its own runs, if they have
    it.
    """
    metric = study.metrics[0]
    columns = [str(column) for column in study.finished.columns]
    names = dict.fromkeys(column.split(".")[1] for column in columns if column.startswith(_PREFIX))
    rows = [row for row in (_row(study, name) for name in names) if row.scores]
    sign = -1 if lower_is_better(metric) else 1
    means = {row.name: _mean(_scores(study, row.name, f"validation.{metric}")) for row in rows}
    means = {name: sign * mean for name, mean in means.items() if not math.isnan(mean)}
    if not means:
        return YardstickFindings(rows)
    best = max(means, key=lambda name: means[name])
    pairs, not_above = [], []
    for row in study.rows:
        scored = _scores(study, best, f"{study.split}.{metric}", row)
        pairs.append((row, study.scores(row, metric), f"yardstick {best}", scored))
        own, yardstick = study.scores(row, metric, "validation"), _scores(study, best, f"validation.{metric}", row)
        common = [key for key in own if key in yardstick]
        if common and sign * _mean({key: own[key] - yardstick[key] for key in common}) <= 0:
            not_above.append(row)
    return YardstickFindings(rows, best, tested(study, pairs), not_above)


def _row(study: Study, name: str) -> HeadlineRow:
    scores = {metric: _scores(study, name, f"{study.split}.{metric}") for metric in study.metrics}
    seconds = list(_scores(study, name, "seconds").values())
    return HeadlineRow(
        name=name,
        group=GROUP,
        scores={
            metric: summarise([factor(metric) * score for score in study.units(found)], study.ratio)
            for metric, found in scores.items()
            if found
        },
        runs=max(map(len, scores.values())),
        seconds=float(np.median(seconds)) if seconds else math.nan,
        memory_gb=math.nan,
        parameters=math.nan,
    )


def _scores(study: Study, name: str, figure: str, row: str | None = None) -> Scores:
    """Return a figure of a yardstick by fold and seed, from the runs of a row, else of the first row that has it."""
    rows = study.rows if row is None else [row, *study.rows]
    found = (study.column(one, f"{_PREFIX}{name}.{figure}") for one in rows)
    return next((scores for scores in found if scores), {})


def _mean(scores: Scores) -> float:
    return float(np.mean(list(scores.values()))) if scores else math.nan
