"""Sentences for the HTML and Markdown pages."""

from __future__ import annotations

from clfa.experiments.scores import title
from clfa.report.content import ReportContent
from clfa.report.tables import ComparisonRow

SYNTHETIC = (
    "SYNTHETIC data: generated posts that demonstrate the software. These figures say nothing about real posts and "
    "must not be compared with published ones."
)
MEMORY = "Memory is the peak of the worker process during the run, including memory kept from earlier runs."
PUBLISHED = "Published, not rerun: figures from papers, with other encoders, other hardware and sometimes other splits."
WORTH = (
    "The same trained models, scored with one modality withheld and replaced by a learnt token. The drop is the "
    "contribution of that modality; a model trained without it from the start may lose less."
)
CONFIDENCE = (
    "Errors of the class probabilities before and after temperature scaling on the validation split; lower is better. "
    "ECE: mean distance of probability and frequency over 15 bins. Risk: share of errors among the most confident "
    "posts, mean over all coverages."
)
SEEDS_IN_FOLDS = (
    "The seeds of a fold share its samples and are no independent observations: they are averaged first, and n is the "
    "number of folds."
)
COSINE = (
    "The guide's own cosine of text and picture as a classifier, its threshold chosen on the validation split: the "
    "yardstick for what a model learns from the guide. It does not depend on shuffling."
)
TEST = "Scores of the test split. No setting may be chosen from them."
VALIDATION = (
    "Scores of the VALIDATION split, on which the best epoch of every run was chosen. Use them to choose settings; "
    "they are too optimistic to report."
)


def split_sentence(report: ReportContent) -> str:
    """Return the sentence about the scored split."""
    return TEST if report.study.split == "test" else VALIDATION


def progress_sentence(report: ReportContent) -> str:
    """Return the sentence about finished and planned runs."""
    study = report.study
    done, failed, planned = len(study.finished), len(study.failed), len(study.runs)
    folds = study.experiment.data.folds or []
    over = (
        f"{len(folds)} folds × {len(study.experiment.seeds)} seeds" if folds else f"{len(study.experiment.seeds)} seeds"
    )
    missing = planned - done - failed
    rest = (f", {failed} failed" if failed else "") + (f", {missing} not yet run" if missing else "")
    return f"{done} of {planned} runs ({len({run.row for run in study.runs})} rows × {over}){rest}."


def differences(report: ReportContent) -> list[tuple[str, list[ComparisonRow]]]:
    """Return the tables of tested differences with their headings: between rows, and from the best yardstick."""
    metric = title(report.study.metrics[0])
    tables = [
        (f"Differences in {metric}", report.compared),
        (f"Differences from the best yardstick in {metric}", report.yardsticks.compared),
    ]
    return [(heading, rows) for heading, rows in tables if rows]


def yardstick_sentence(report: ReportContent) -> str:
    """Return the sentences on the yardsticks and on the rows that are not above them; empty without yardsticks."""
    found = report.yardsticks
    if found.best is None:
        return ""
    best = f"“{found.best}”, the best yardstick on validation in {title(report.study.metrics[0])}"
    verdict = f"Not above {best}: {', '.join(found.not_above)}." if found.not_above else f"All rows are above {best}."
    return (
        "Yardsticks are plain baselines on the same splits, with settings chosen on validation; they are not marked as "
        f"the best of a column. {verdict}"
    )


def test_sentence(report: ReportContent, comparisons: int) -> str:
    """Return the sentences about the statistical test and its correction for the comparisons of a table."""
    study = report.study
    metric = title(study.metrics[0])
    if study.over_folds:
        test = (
            f"Corrected resampled t-test (Nadeau & Bengio 2003) on {metric}, paired by fold and seed: the variance is "
            f"multiplied by 1/n + {study.ratio:.3f} (scored samples / training samples"
            f"{', mean; each test uses those of its rows' if report.sizes else ''}), because the training sets of "
            f"folds overlap.{' ' + SEEDS_IN_FOLDS if study.nested else ''}"
        )
    else:
        test = (
            f"Paired t-test on {metric} over seeds. All runs use the same split, so test and intervals are over seeds "
            "only: they cover the randomness of training, not that of the samples."
        )
    return (
        f"{test} p values are corrected for the {comparisons} comparisons of this table (Holm 1979); the "
        "95 % intervals are not. Wilcoxon's signed-rank test is given for comparison, uncorrected."
    )


def size_sentence(report: ReportContent) -> str:
    """Return the sentence that explains the scores over the number of training rows."""
    over = "folds" if report.study.over_folds else "seeds"
    axes = " or ".join(dict.fromkeys(curve.axis for curve in report.sizes))
    return f"{title(report.study.metrics[0])} by number of {axes}: mean ± standard deviation over {over}."


def headline_sentence(report: ReportContent) -> str:
    """Return the sentences that explain the headline table."""
    baseline = report.study.experiment.baseline_row
    bold = (
        f"Bold: the best mean of its column, where the row also differs from “{baseline}” in "
        f"{title(report.study.metrics[0])} (corrected p < 0.05). ◦ marks the best mean of each column otherwise."
        if baseline is not None
        else "◦ marks the best mean of each column."
    )
    cost = f"Seconds: median of the runs, without reading data that runs of one process share. {MEMORY}"
    over = f"over folds. {SEEDS_IN_FOLDS}" if report.study.nested else "over runs."
    return f"Mean ± standard deviation {over} {bold} {cost}"
