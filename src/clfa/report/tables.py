"""The numbers in the report's tables; the pages format them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from clfa.experiments.scores import factor, lower_is_better
from clfa.report.statistics import Difference, Mean, compare, holm, summarise
from clfa.report.study import Study

SIGNIFICANT = 0.05


@dataclass
class HeadlineRow:
    """One row of the headline table.

    Args:
        name: Name of the row.
        group: Heading of the row; empty without one.
        scores: Scores by metric, scaled as shown (percent).
        runs: Number of finished runs.
        seconds: Median duration of the runs.
        memory_gb: Largest peak memory of the runs.
        parameters: Number of trainable parameters.
        best: Metrics in which the row has the best mean.
        significant: Whether the row differs from the baseline in the tested metric, after correction.
    """

    name: str
    group: str
    scores: dict[str, Mean]
    runs: int
    seconds: float
    memory_gb: float
    parameters: float
    best: set[str] = field(default_factory=set)
    significant: bool = False


@dataclass(frozen=True)
class ComparisonRow:
    """One tested difference.

    Args:
        first: A row.
        second: The row that it is compared with.
        difference: First minus second in the tested metric, scaled as shown.
        corrected_p: p value with Holm's correction over the whole table.
    """

    first: str
    second: str
    difference: Difference
    corrected_p: float

    @property
    def significant(self) -> bool:
        """Whether the corrected p is below 0.05."""
        return not math.isnan(self.corrected_p) and self.corrected_p < SIGNIFICANT


def comparisons(study: Study) -> list[ComparisonRow]:
    """Compare every row with the baseline, then the experiment's further pairs; paired by fold and seed.

    The seeds of a fold count as one pair, see :meth:`clfa.report.study.Study.units`.
    """
    experiment, metric = study.experiment, study.metrics[0]
    pairs = [(row, experiment.baseline_row) for row in study.rows if experiment.baseline_row not in (None, row)]
    pairs += [(first, second) for first, second in experiment.compare]
    scored = [
        (first, study.scores(first, metric), str(second), study.scores(str(second), metric))
        for first, second in dict.fromkeys(pairs)
    ]
    return tested(study, scored)


Scores = dict[tuple[int | None, int], float]


def tested(study: Study, pairs: Sequence[tuple[str, Scores, str, Scores]]) -> list[ComparisonRow]:
    """Compare pairs by paired tests, with Holm's correction over all of them; pairs without a common run are left out.

    Args:
        study: The experiment.
        pairs: Name and scores in the tested metric, by fold and seed, of the first and of the second.
    """
    scale = factor(study.metrics[0])
    found = []
    for first, a, second, b in pairs:
        common = [key for key in a if key in b]
        if common:
            first_scores, second_scores = (study.units({k: scale * x[k] for k in common}) for x in (a, b))
            # A name that is no row, such as a yardstick's, has the runs of the other one.
            difference = compare(first_scores, second_scores, study.ratio_of(first, second))
            found.append((first, second, difference))
    corrected = holm([difference.p for _, _, difference in found])
    return [ComparisonRow(*row, p) for row, p in zip(found, corrected, strict=True)]


def headline(study: Study, compared: list[ComparisonRow]) -> list[HeadlineRow]:
    """Return the rows of the headline table in the experiment's order, with the rows of a group together."""
    rows = []
    for name, runs in study.finished.groupby("row", sort=False):
        scores = {}
        for metric in study.metrics:
            values = [factor(metric) * score for score in study.units(study.scores(str(name), metric))]
            if values:
                scores[metric] = summarise(values, study.ratio_of(str(name)))
        group = runs["group"].iloc[0]
        rows.append(
            HeadlineRow(
                name=str(name),
                group="" if pd.isna(group) else str(group),
                scores=scores,
                runs=len(runs),
                seconds=_median(runs, "resources.seconds_total"),
                memory_gb=_median(runs, "resources.peak_memory_mb", largest=True) / 1000,
                parameters=_median(runs, "training.trained_parameters"),
            )
        )
    for metric in study.metrics:
        present = [row for row in rows if metric in row.scores]
        sign = -1 if lower_is_better(metric) else 1
        if present:
            max(present, key=lambda row: sign * row.scores[metric].mean).best.add(metric)
    against_baseline = {
        row.first for row in compared if row.second == study.experiment.baseline_row and row.significant
    }
    for row in rows:
        row.significant = row.name in against_baseline
    order = list(dict.fromkeys(row.group for row in rows))
    return sorted(rows, key=lambda row: order.index(row.group))


def best_row(rows: list[HeadlineRow], metric: str) -> HeadlineRow | None:
    """Return the row with the best mean of a metric."""
    return next((row for row in rows if metric in row.best), None)


@dataclass(frozen=True)
class AlignmentRow:
    """Text-to-image retrieval by a row's students and guide on validation pairs; means over its runs.

    Args:
        name: Name of the row.
        before: Students' median rank before training; ``nan`` if no run saved it.
        before_rank10: Percent among the first ten before training.
        after: Students' median rank after training.
        after_rank10: Percent among the first ten after training.
        guide: Guide's median rank; ``nan`` without a guide.
        guide_rank10: Percent among the first ten by the guide.
        chance: Median rank at chance.
        near_chance: Whether the guide was near chance in any run.
        cosine: Tested metric of the guide's own cosine as a classifier of two classes, on the shown split, scaled as
            shown; ``nan`` where it was not computed.
        cosine_auc: Area under the ROC curve of the guide's cosine, percent.
    """

    name: str
    before: float
    before_rank10: float
    after: float
    after_rank10: float
    guide: float
    guide_rank10: float
    chance: float
    near_chance: bool
    cosine: float
    cosine_auc: float


def alignment_rows(study: Study) -> list[AlignmentRow]:
    """Return the retrieval of all rows with both modalities."""
    after, before = "validation.student_retrieval", "validation.student_retrieval_before"
    guide, metric = "guide.validation_retrieval", study.metrics[0]
    rows = []
    for name, runs in study.finished.groupby("row", sort=False):
        if not math.isnan(_mean(runs, f"{after}.median_rank")):
            near = f"{guide}.near_chance"
            rows.append(
                AlignmentRow(
                    str(name),
                    _mean(runs, f"{before}.median_rank"),
                    100 * _mean(runs, f"{before}.rank10"),
                    _mean(runs, f"{after}.median_rank"),
                    100 * _mean(runs, f"{after}.rank10"),
                    _mean(runs, f"{guide}.median_rank"),
                    100 * _mean(runs, f"{guide}.rank10"),
                    _mean(runs, f"{after}.chance_median_rank"),
                    near in runs and bool(runs[near].fillna(False).astype(bool).any()),
                    factor(metric) * _mean(runs, f"guide.cosine.{study.split}.{metric}"),
                    100 * _mean(runs, f"guide.cosine.{study.split}.auc"),
                )
            )
    return rows


def _numbers(runs: pd.DataFrame, column: str) -> pd.Series:
    return pd.to_numeric(runs[column], errors="coerce").dropna() if column in runs else pd.Series([], dtype=float)


def _mean(runs: pd.DataFrame, column: str) -> float:
    values = _numbers(runs, column)
    return float(values.mean()) if len(values) else math.nan


def _median(runs: pd.DataFrame, column: str, largest: bool = False) -> float:
    values = _numbers(runs, column)
    if not len(values):
        return math.nan
    return float(values.max() if largest else values.median())
